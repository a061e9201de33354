"""Directories on their way out: renamed away at once, deleted in the background, slowly."""

import contextlib
import errno
import logging
import os
import shutil
import stat
import threading
import time
from pathlib import Path
from uuid import uuid4

from attrs import define, field

from agent_adapters.git.files import has_link

_log = logging.getLogger(__name__)

BATCH = 200
PAUSE = 0.01
"""Seconds after each batch: to delete a large tree at full speed was seen to make checkouts ten times slower."""

LINGER = 5.0
"""Seconds for which the thread waits for more."""


@define
class Trash:
    """The trash folder of a root directory; it must be on the same disk as what is put into it.

    What the process could not delete before its end is deleted by a later `empty`.
    """

    folder: Path
    _one_at_a_time: threading.Lock = field(factory=threading.Lock, init=False)
    _news: threading.Condition = field(factory=threading.Condition, init=False)
    _is_asked: bool = field(default=False, init=False)
    _has_worker: bool = field(default=False, init=False)

    def put(self, path: Path) -> bool:
        """Take the directory (or whatever is at the path) away.

        False when nothing is there, or when a link on the way leads out of the root.
        """
        if not os.path.lexists(path) or self._leads_out(path):
            return False
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            path.rename(self.folder / f"{path.name}-{uuid4().hex}")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.rmtree(path)
        return True

    def _leads_out(self, path: Path) -> bool:
        root = self.folder.parent
        if path.is_relative_to(root) and ".." not in path.parts and not has_link(root, path.parent):
            return False
        return not path.parent.resolve().is_relative_to(root.resolve())

    def empty_in_background(self) -> None:
        """Delete what is in the trash in a thread that does not hold up the process's end."""
        with self._news:
            self._is_asked = True
            if not self._has_worker:
                self._has_worker = True
                threading.Thread(target=self._work, name="trash", daemon=True).start()
            self._news.notify()

    def _work(self) -> None:
        while True:
            with self._news:
                if not self._news.wait_for(lambda: self._is_asked, LINGER):
                    self._has_worker = False
                    return
                self._is_asked = False
            try:
                self.empty()
            except OSError as error:
                _log.warning("%s could not be emptied: %s", self.folder, error)

    def empty(self) -> None:
        """Delete what is in the trash. One deletion goes on at a time; what cannot be deleted is logged and left."""
        with self._one_at_a_time, contextlib.suppress(FileNotFoundError):
            for path in sorted(self.folder.iterdir()):
                try:
                    _delete(path)
                except FileNotFoundError:
                    continue  # somebody else was quicker
                except OSError as error:
                    _log.warning("%s could not be deleted: %s", path, error)


def _delete(path: Path) -> None:
    """Delete a tree without following links. Directories that were made read-only are opened first."""
    directories = [path]
    count = 0
    for directory in directories:
        if not stat.S_ISDIR(directory.lstat().st_mode):
            directory.unlink()
            return
        directory.chmod(0o700)
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    directories.append(Path(entry.path))
                else:
                    Path(entry.path).unlink()
                count += 1
                if count % BATCH == 0:
                    time.sleep(PAUSE)
    for directory in reversed(directories):
        directory.rmdir()
