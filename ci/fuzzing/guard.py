"""Where a worker may write, and the audit hook that sees when it writes elsewhere."""

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Places:
    """The worker's directories. inside: the input; out, cache: where the reader may write; the rest must stay empty."""

    root: Path

    def __post_init__(self):
        for name in ("inside", "out", "cache", "temporary", "home", "cwd"):
            setattr(self, name, self.root / name)
            shutil.rmtree(self.root / name, ignore_errors=True)
            (self.root / name).mkdir(parents=True)
        self.output, self.stack = self.root / "output.txt", self.root / "stack.txt"
        self.findings = self.root / "findings.jsonl"


class Guard:
    """An audit hook: files opened outside of the worker's places, processes and connections."""

    _FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")
    # Event → how many paths, and where their directories' descriptors stand among the arguments.
    _CHANGES: ClassVar = {"os.remove": (1, 1), "os.rmdir": (1, 1), "os.mkdir": (1, 2), "os.chmod": (1, 2)}
    _CHANGES |= {"os.rename": (2, 2), "os.link": (2, 2), "os.symlink": (2, 2), "os.truncate": (1, 9)}
    _WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def __init__(self, places: Places):
        self.seen: list[str] = []
        self.active = False
        self._may_write = (str(places.out), str(places.cache), str(places.temporary), os.devnull)
        libraries = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
        self._may_read = (str(places.root), str(ROOT), sys.prefix, sys.base_prefix, *libraries)
        self._may_read += ("/proc", "/sys", "/etc", "/usr", "/lib", "/dev/null", "/dev/urandom")
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if not self.active:
            return
        if event == "open":
            path, mode, flags = arguments
            if not isinstance(path, str | bytes | os.PathLike):
                return
            writes = flags & self._WRITING if isinstance(flags, int) else any(letter in mode for letter in "wxa+")
            self._check(path, self._may_write if writes else self._may_read, "writes" if writes else "reads")
        elif event in self._CHANGES:
            count, at = self._CHANGES[event]
            for path, folder in zip_longest(arguments[:count], arguments[at : at + count], fillvalue=-1):
                if isinstance(path, str | bytes | os.PathLike):
                    self._check(_in_folder(path, folder), self._may_write, event)
        elif event in self._FORBIDDEN:
            self.seen.append(f"{event} {str(arguments[0])[:80]}")

    def _check(self, path, allowed: tuple[str, ...], what: str) -> None:
        full = os.path.abspath(os.fsdecode(path))
        if not full.startswith(allowed):
            self.seen.append(f"{what} in {os.path.dirname(full)[:80]}, outside of its directory")


def _in_folder(path, descriptor: int):
    return path if descriptor == -1 else os.path.join(os.readlink(f"/proc/self/fd/{descriptor}"), os.fsdecode(path))
