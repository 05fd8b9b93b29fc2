"""Temporary directories that are gone when their process is, at the latest when the next one comes.

A process holds a lock on each of its own; the system frees it however the process ends. What nobody holds is left over.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl

    _LOCKS = True
except ImportError:  # Windows: no locks, so nothing of others is removed
    _LOCKS = False

# Locks may be known to one machine alone, directories to several.
_PREFIX = f".deepspeech-recipe-{hashlib.sha256(platform.node().encode()).hexdigest()[:6]}-"
_swept: set[Path] = set()


@contextmanager
def temporary_directory(parent: str | os.PathLike | None = None) -> Iterator[Path]:
    """A new directory in `parent` (default: the system's place for temporary files), removed when the block ends.

    What killed processes left there is removed, once a process. Raises OSError if it cannot be made.
    """
    parent = Path(tempfile.gettempdir() if parent is None else parent).resolve()
    if parent not in _swept:
        _swept.add(parent)
        _sweep(parent)
    directory, lock = _make(parent)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _make(parent: Path) -> tuple[Path, int | None]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            lock = _locked(directory) if _LOCKS else None
        except OSError:
            if directory.exists():  # a file system without locks; nobody else can hold one there either
                return directory, None
            continue
        # Between making and locking it, another process may have taken it for left over.
        if directory.exists():
            return directory, lock
        if lock is not None:
            os.close(lock)


def _sweep(parent: Path) -> None:
    if not _LOCKS:
        return
    with suppress(OSError):
        for entry in os.scandir(parent):
            if entry.name.startswith(_PREFIX):
                with suppress(OSError):
                    lock = _locked(Path(entry.path))
                    shutil.rmtree(entry.path, ignore_errors=True)
                    os.close(lock)


def _locked(directory: Path) -> int:
    """A descriptor with the lock. Raises OSError if it is another's, in either sense."""
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(lock)
        if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
            raise PermissionError
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    return lock


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Waits until no other process is in such a block for this directory; without locks, does not wait."""
    lock = None
    if _LOCKS:
        with suppress(OSError):
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)
