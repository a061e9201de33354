"""Run commands so that the whole process tree of each ends with it, or with the server, whatever happens to either.

A program of its own, standard library only. The server starts it once (`python -I -S`, everything imported), and it
forks a lifeline for each run; the two share their memory. It is imported under two names: as a top-level package by the
program, which has none of the server's packages on its path, and as a part of `agent_adapters.processes`. So its
modules name each other relatively.

The fork server gets, for each run, a byte and four descriptors: the command's standard input, output and error, and a
socket of the run's own. Over that the lifeline is sent its request, and says, a line each:

    here <pid>                 it has read the request and runs it now; before this word nothing was run
    started <pid>              the command's own process
    failed chdir|exec <errno>  it could not be started
    ended <code>               the command's exit code (128 + n for a signal): nothing of its tree is left

A socket that ends without `ended` is that of a lifeline that was killed. The server says `stop`, or is gone.
"""
