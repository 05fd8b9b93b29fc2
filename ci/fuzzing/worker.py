"""The process in which a reader reads: input after input, until it dies or its supervisor ends it.

It runs in an empty directory with an empty home, watches what is opened for writing, printed and left behind, and
writes a line of JSON for each finding. What kills it is for the supervisor to see.
"""

import faulthandler
import json
import mmap
import os
import resource
import shutil
import struct
import sys
import tempfile
import time
import traceback
from pathlib import Path

from ci.fuzzing.forked import Forked
from ci.fuzzing.guard import ROOT, Guard, Places
from ci.fuzzing.reader import Reader
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.processes import trial

MEGABYTE = 2**20
LARGEST_MESSAGE = 1000
# A worker is followed by a fresh one after so many inputs: what one leaves behind must not hide another's fault.
INPUTS_A_WORKER = 5000
_ADDRESS_SPACE = 6 * 2**30


class Progress:
    """Numbers that the worker writes and its supervisor reads, also after its death."""

    FIELDS = ("number", "running", "began", "size", "base", "inputs", "refused")
    FIELDS += ("slowest", "slowest_number", "memory", "memory_number")
    _FORM = struct.Struct(f"{len(FIELDS)}d")

    def __init__(self):
        self._shared = mmap.mmap(-1, self._FORM.size)
        for name in self.FIELDS:
            setattr(self, name, 0.0)

    def write(self) -> None:
        self._shared[:] = self._FORM.pack(*(getattr(self, name) for name in self.FIELDS))

    def read(self) -> None:
        for name, value in zip(self.FIELDS, self._FORM.unpack(self._shared[:]), strict=True):
            setattr(self, name, value)


def memory_limit(size: int) -> int:
    """Bytes that an input of `size` bytes may take beyond what the process had."""
    return max(200 * MEGABYTE, 10 * size)


class Worker:
    def __init__(self, reader: Reader, progress: Progress, root: Path):
        self._reader, self._progress, self._places = reader, progress, Places(root)
        self._written: dict[str, bytes] = {}
        self._output = os.open(self._places.output, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(self._output, descriptor)
        self._findings = self._places.findings.open("a")
        # After a signal this is what tells one fault from another.
        faulthandler.enable(self._places.stack.open("w"), all_threads=False)
        sys.dont_write_bytecode = True
        os.environ |= {"HOME": str(self._places.home), "TMPDIR": str(self._places.temporary)}
        os.environ["XDG_CACHE_HOME"] = str(self._places.cache)
        tempfile.tempdir = None
        os.chdir(self._places.cwd)
        trial.subprocess = Forked()
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _ADDRESS_SPACE, -1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self._guard = Guard(self._places)

    def run(self, seed: int, numbers) -> None:
        for number in numbers:
            self._progress.number = number
            self._progress.write()
            given = self._reader.input(seed, number)
            for finding in self.try_input(given):
                finding["number"] = number
                self._findings.write(json.dumps(finding) + "\n")
                self._findings.flush()
            self._progress.write()

    def try_input(self, given) -> list[dict]:
        """Reads one input; what it found: mechanism and message."""
        progress, places = self._progress, self._places
        self._write(given.files)
        before, printed = _resident(), os.lseek(self._output, 0, os.SEEK_END)
        _forget_peak()
        progress.size, progress.base, progress.began, progress.running = given.size, before, time.process_time(), 1
        progress.write()
        self._guard.active = True
        found = []
        try:
            self._reader.read(places.inside / given.target, places.out)
            refused = False
        except RecipeError as error:
            refused = True
            found += self._message(str(error), places.inside / given.target)
        except (Exception, SystemExit) as error:
            refused = False
            where = place_of(error)
            stack = "".join(traceback.format_exception(error))[-6000:]
            found.append({"mechanism": f"{type(error).__name__} at {where}", "message": stack})
        self._guard.active = False
        seconds, progress.running = time.process_time() - progress.began, 0
        memory = max(0, _peak() - before)
        found += self._left_behind(printed)
        if memory > memory_limit(given.size):
            found.append({"mechanism": "memory", "message": f"{memory / MEGABYTE:.0f} MB for {given.size} bytes"})
        progress.inputs += 1
        progress.refused += refused
        if seconds > progress.slowest:
            progress.slowest, progress.slowest_number = seconds, progress.number
        if memory > progress.memory:
            progress.memory, progress.memory_number = memory, progress.number
        return found

    def _write(self, files: dict[str, bytes]) -> None:
        """What is there already, the very same bytes, stays."""
        for name in self._written.keys() - files.keys():
            os.unlink(f"{self._places.inside}/{name}")
        for name, data in files.items():
            if self._written.get(name) is not data:
                path = f"{self._places.inside}/{name}"
                if "/" in name:
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(data)
        self._written = dict(files)

    def _message(self, text: str, path: Path) -> list[dict]:
        line = " ".join(text.split())
        if not line.isprintable() or len(line) > LARGEST_MESSAGE or not line:
            return [
                {
                    "mechanism": f"a refusal that is not one line: {ascii(self._shown(line))[:60]}",
                    "message": ascii(text)[:3000],
                }
            ]
        if self._reader.names_file and path.name not in line:
            return [{"mechanism": f"a refusal that does not name the file: {self._shown(line)[:60]}", "message": text}]
        return []

    def _shown(self, text: str) -> str:
        """Without what is another from input to input: numbers, and the worker's directory."""
        text = " ".join(text.split()).replace(str(self._places.root), "…")
        return "".join("0" if letter.isdigit() else letter for letter in text)

    def _left_behind(self, printed: int) -> list[dict]:
        found = []
        if os.lseek(self._output, 0, os.SEEK_END) > printed:
            text = os.pread(self._output, 2000, printed).decode(errors="replace")
            found.append({"mechanism": f"prints: {self._shown(text)[:25]!r}", "message": text})
            os.ftruncate(self._output, 0)
        for text in self._guard.seen:
            found.append({"mechanism": self._shown(text), "message": text})
        self._guard.seen.clear()
        for name in ("temporary", "home", "cwd"):
            folder = getattr(self._places, name)
            if left := os.listdir(folder):
                found.append({"mechanism": f"leaves files in {name}", "message": ", ".join(left)})
                _empty(folder)
        if os.listdir(self._places.out):
            _empty(self._places.out)
        if (there := _files(str(self._places.inside))) != self._written.keys():
            found.append({"mechanism": "changes the input's directory", "message": str(sorted(there))})
            _empty(self._places.inside)
            self._written = {}
        return found


def run(reader: Reader, progress: Progress, root: Path, seed: int, first: int, last: int | None) -> None:
    """The worker's life: inputs from number `first` to before `last`, or until it has had enough."""
    end = first + INPUTS_A_WORKER
    Worker(reader, progress, root).run(seed, range(first, end if last is None else min(end, last)))


def place_of(error: BaseException) -> str:
    """The innermost line of the project, as file:line."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((short(frame.filename, frame.lineno) for frame in reversed(frames) if in_project(frame.filename)), "?")


def in_project(path: str) -> bool:
    return path.startswith((f"{ROOT}/deepspeech_recipe", f"{ROOT}/mo_extensions", f"{ROOT}/ci/fuzzing/planted"))


def short(path: str, line) -> str:
    return f"{path.removeprefix(f'{ROOT}/')}:{line}"


def _resident() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _forget_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak() -> int:
    """Bytes resident at most since `_forget_peak`."""
    with open("/proc/self/status", "rb") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"VmHWM"))


def _files(folder: str) -> set[str]:
    """Relative paths of all files below."""
    return {f"{at}/{name}"[len(folder) + 1 :] for at, _, names in os.walk(folder) for name in names}


def _empty(folder: Path) -> None:
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
