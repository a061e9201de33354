"""The soak: thousands of jobs on one server, and afterwards everything is as it was. Run it as `make soak`."""
