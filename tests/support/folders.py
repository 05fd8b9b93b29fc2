"""Directories of what several tests share."""

import atexit
import shutil
import tempfile
from pathlib import Path


def shared_folder() -> Path:
    """A new directory that is there until this process ends."""
    # Not a TemporaryDirectory: a process forked by multiprocessing (Python 3.13) forgets what it was to do at its exit,
    # and forgetting one of these removes the directory.
    folder = tempfile.mkdtemp(prefix="deepspeech-recipe-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
