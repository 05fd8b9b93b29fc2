"""Runs a reader's inputs in worker processes, and sees what a worker cannot tell: its death, its time, its memory."""

import ctypes
import json
import os
import resource
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from ci.fuzzing import worker
from ci.fuzzing.reader import Reader

WALL_SECONDS = 60.0  # of one that waits; other programs may keep the processors
_POLL = 0.02
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Finding:
    """One mechanism. number: of its first input; message: what it said there."""

    reader: str
    mechanism: str
    seed: int
    number: int
    message: str
    count: int = 1


@dataclass
class Figures:
    """What a run of a reader came to. seconds: of the clock; slowest: of the processor; memory in bytes."""

    reader: str
    seed: int
    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_number: int = 0
    memory: float = 0.0
    memory_number: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)

    def add(self, mechanism: str, number: int, message: str) -> None:
        if mechanism in self.findings:
            self.findings[mechanism].count += 1
        else:
            self.findings[mechanism] = Finding(self.reader, mechanism, self.seed, number, message)


def run(reader: Reader, seed: int, folder: Path, *, inputs: int | None = None, seconds: float | None = None) -> Figures:
    """Numbers 0… of a seed until there were so many inputs, or the time is over. folder: for the workers' files."""
    reader.prepare()
    figures, began, number = Figures(reader.name, seed), time.monotonic(), 0
    while (inputs is None or number < inputs) and (seconds is None or time.monotonic() - began < seconds):
        ends = None if seconds is None else began + seconds
        number = _one_worker(reader, figures, folder, number, inputs, ends)
    figures.seconds = time.monotonic() - began
    shutil.rmtree(folder, ignore_errors=True)
    return figures


def _one_worker(reader: Reader, figures: Figures, folder: Path, first: int, last: int | None, ends) -> int:
    """The number to go on with."""
    progress = worker.Progress()
    progress.number = first
    progress.write()
    pid = os.fork()
    if not pid:
        _be_worker(reader, progress, folder, figures.seed, first, last)
    status, killed = _watch(pid, progress, ends, reader.cpu_seconds)
    progress.read()
    number = int(progress.number)
    for line in _lines(folder / "findings.jsonl"):
        figures.add(line["mechanism"], line["number"], line["message"])
    if killed == "time is over":
        pass
    elif killed:
        if killed == "time":
            progress.slowest, progress.slowest_number = max(progress.slowest, reader.cpu_seconds), number
        figures.add(f"{killed} at {_place(folder)}", number, _text(folder / "stack.txt"))
    elif os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        figures.add(f"{name} at {_place(folder)}", number, _text(folder / "stack.txt"))
    elif os.WEXITSTATUS(status):
        raise RuntimeError(f"{reader.name}: the worker failed at {number}:\n{_text(folder / 'output.txt')}")
    figures.inputs += int(progress.inputs) + (killed != "time is over" and progress.running > 0)
    figures.refused += int(progress.refused)
    if progress.slowest > figures.slowest:
        figures.slowest, figures.slowest_number = progress.slowest, int(progress.slowest_number)
    if progress.memory > figures.memory:
        figures.memory, figures.memory_number = progress.memory, int(progress.memory_number)
    return number + 1


def _be_worker(reader, progress, folder: Path, seed: int, first: int, last: int | None) -> None:
    """Never returns."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        worker.run(reader, progress, folder, seed, first, last)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _watch(pid: int, progress, ends, cpu_seconds: float) -> tuple[int, str]:
    """The worker's exit status, and why it was killed."""
    waiting, number = time.monotonic(), -1
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status, ""
        time.sleep(_POLL)
        progress.read()
        now = time.monotonic()
        if progress.number != number:
            waiting, number = now, progress.number
        reason = ""
        if ends is not None and now > ends:
            reason = "time is over"
        elif progress.running and _resident(pid) - progress.base > worker.memory_limit(int(progress.size)):
            reason = "memory"
        elif progress.running and _cpu_seconds(pid) - progress.began > cpu_seconds:
            reason = "time"
        elif now - waiting > WALL_SECONDS:
            reason = "waits"
        if reason and (reason == "time is over" or _still(progress, number)):
            if reason != "time is over":
                _ask_for_stack(pid)
            os.kill(pid, signal.SIGKILL)
            return os.waitpid(pid, 0)[1], reason


def _still(progress, number) -> bool:
    progress.read()
    return progress.running and progress.number == number


def _ask_for_stack(pid: int) -> None:
    """SIGABRT makes faulthandler write where the worker is, if it is not dead already."""
    try:
        os.kill(pid, signal.SIGABRT)
        time.sleep(0.2)
    except ProcessLookupError:
        pass


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _place(folder: Path) -> str:
    """The innermost line of the project in what faulthandler wrote."""
    for line in _text(folder / "stack.txt").splitlines():
        if line.startswith("  File ") and worker.in_project(line.split('"')[1]):
            return worker.short(line.split('"')[1], line.split("line ")[1].split()[0])
    return "?"


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _lines(path: Path):
    """The findings since the last worker."""
    text = _text(path)
    path.unlink(missing_ok=True)
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]
