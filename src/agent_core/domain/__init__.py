"""The rules about clients, jobs, queue, holds and callbacks: values and pure functions, no I/O, no clock, no loop."""
