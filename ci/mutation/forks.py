"""Runs of pytest in copies of this process and of the tree: a copy has imported what takes long, and none of ours."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_HEAVY = (
    *("numpy", "openvino", "tensorflow", "openvino.tools.mo.main", "openvino.tools.mo.convert_impl", "google.protobuf"),
    *("pytest", "hypothesis", "jiwer", "soundfile", "soxr", "tflite", "matplotlib.figure", "flashlight.lib.text"),
)
ROOT = Path(__file__).resolve().parents[2]
KILLED = "time"


def warm_up() -> None:
    """Imports all that the tests import of others. Before TensorFlow's import: as tests/support/reference.py has it."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": ""}
    for name in _HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def copy_of_tree(place: Path) -> Path:
    """All files that belong to the project, a repository of its own, for some tests ask git."""
    shutil.rmtree(place, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in {*listed.decode().split("\0")} - {""}:
        if (ROOT / name).exists():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=place, check=True)
    return place


@dataclass
class Job:
    """Arguments of pytest, and what is done with how it ended: its exit code, or KILLED. plugins, change: called in the
    copy, with its tree; change is undone afterwards. Another job may follow."""

    arguments: list[str]
    limit: float
    done: Callable[[int | str, Path], Job | None]
    plugins: Callable[[Path], list] = lambda tree: []
    change: tuple[str, bytes] | None = None


@dataclass
class _Running:
    job: Job
    pid: int
    deadline: float
    log: Path
    undo: Callable[[], None]


def run_all(jobs: Iterable[Job], trees: list[Path]) -> None:
    """As many at a time as there are trees."""
    waiting, free, running = iter(jobs), list(trees), {}
    following: dict[Path, Job] = {}
    while True:
        while free:
            tree = free[-1]
            job = following.pop(tree, None) or next(waiting, None)
            if job is None:
                break
            running[free.pop()] = _start(job, tree)
        if not running:
            return
        time.sleep(0.03)
        for tree, each in list(running.items()):
            code = _ended(each)
            if code is not None:
                del running[tree]
                each.undo()
                free.append(tree)
                after = each.job.done(code, each.log)
                if after is not None:
                    following[tree] = after


def _start(job: Job, tree: Path) -> _Running:
    undo = _changed(tree, *job.change) if job.change else lambda: None
    log = tree.with_suffix(".log")
    temporary = tree.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        _be_pytest(job, tree, log, temporary)
    return _Running(job, pid, time.monotonic() + job.limit, log, undo)


def _changed(tree: Path, name: str, data: bytes) -> Callable[[], None]:
    """The file with other content, and a time that no compiled module is of."""
    path = tree / name
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(data)
    os.utime(path, (times.st_atime, times.st_mtime + 100))

    def undo() -> None:
        path.write_bytes(before)
        os.utime(path, (times.st_atime, times.st_mtime))

    return undo


def _ended(each: _Running) -> int | str | None:
    pid, status = os.waitpid(each.pid, os.WNOHANG)
    late = not pid and time.monotonic() > each.deadline
    if not pid and not late:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(each.pid, signal.SIGKILL)  # what the tests left running too
    if late:
        os.waitpid(each.pid, 0)
        return KILLED
    return os.waitstatus_to_exitcode(status)


def _be_pytest(job: Job, tree: Path, log: Path, temporary: Path) -> None:
    """Never returns."""
    code = 70
    try:
        os.setsid()
        os.chdir(tree)
        descriptor = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, descriptor), (2, descriptor)):
            os.dup2(source, target)
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        if job.change:  # a compiled module is told from its source by time and size alone
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            sys.dont_write_bytecode = True
        sys.path[:] = [str(tree), *(each for each in sys.path if Path(each).resolve() != ROOT)]
        for name in [name for name in sys.modules if name.split(".")[0] in ("ci", "deepspeech_recipe", "tests")]:
            del sys.modules[name]
        pytest = importlib.import_module("pytest")
        options = ["-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={temporary}/pytest"]
        code = int(pytest.main([*options, *job.arguments], plugins=job.plugins(tree)))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
