"""Tries in a child process what native code does with a file before this process has it: it may die or never end.

A trial is a module whose `main()` reads a task as JSON from standard input, calls `limit`, does the work and returns an
exit code: 0 if native code can have the file, else another, with the reason as the last line on standard error.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """How a trial ended. failure: what it did in place of that, in words, or ''; code: its exit code; reason: its last
    words."""

    failure: str
    code: int
    reason: str


def run(module: str, task: dict, seconds: int) -> Outcome | None:
    """Runs a trial. seconds: of processor time, which `main` sets as its own limit; far more on the clock is one too.

    None if no process can be started here, in another program's Python for one.
    """
    if not sys.executable:
        return None
    package = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, [str(package), *filter(None, sys.path)]))
    try:
        done = subprocess.run(
            [sys.executable, *(["-P"] if sys.version_info >= (3, 11) else []), "-m", module],
            input=json.dumps({**task, "seconds": seconds}).encode(), capture_output=True, cwd=package, env=environment,
            timeout=10 * seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome("does not end with it", -signal.SIGXCPU, "")
    except OSError:
        return None
    failure = ""
    if done.returncode < 0:
        killed = signal.Signals(-done.returncode)
        failure = "does not end with it" if killed == signal.SIGXCPU else f"dies of it ({killed.name})"
    lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
    return Outcome(failure, done.returncode, lines[-1])


def limit(seconds: int, memory: int) -> None:
    """Bounds the child process from within: seconds of processor time from now on, bytes of memory, and nothing left
    behind if it dies. Before it, libraries are loaded: on a busy machine that alone takes seconds.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    spent = math.ceil(time.process_time())
    bounds = {resource.RLIMIT_CORE: 0, resource.RLIMIT_CPU: spent + seconds, resource.RLIMIT_DATA: memory}
    for what, most in bounds.items():
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
