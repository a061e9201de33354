"""The command's own process: how it is started."""

import errno
import os
import signal
import sys
from collections.abc import Callable

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _no_prctl(_option: int, _value: int, *_zeros: int) -> None:
    """There is none but on Linux."""


prctl: Callable[..., object] = _no_prctl
if LINUX:
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):  # a Python without it; the server finds what is left by its mark
        pass


class NotStarted(Exception):
    """The command could not be started: `chdir <errno>` or `exec <errno>`."""


def spawn(argv: list[bytes], cwd: bytes, environ: dict[bytes, bytes], streams: list[int]) -> int:
    """Start the command with these standard streams, in a session of its own; return its pid. Raises NotStarted."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        step = "chdir"
        try:
            os.setsid()
            # Should the lifeline itself be killed, the command is at least told to end.
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            for target, stream in enumerate(streams):
                os.dup2(stream, target)
            os.chdir(cwd)
            step = "exec"
            os.execvpe(argv[0], argv, environ)  # noqa: S606 - no shell is the point
        except BaseException as error:  # whatever it is, the child must not go on as a second lifeline
            os.write(write, f"{step} {getattr(error, 'errno', None) or errno.EINVAL}".encode())
        finally:
            os._exit(127)
    os.close(write)
    failure = os.read(read, 64).decode()
    os.close(read)
    if failure:
        os.waitpid(pid, 0)
        raise NotStarted(failure)
    return pid
