"""Keeps libraries in native code from writing to stderr and stdout, beside the one line that the user gets.

They write through the C library's streams, those in C++ too; Python writes to the descriptors 1 and 2 itself. So the
streams are pointed at /dev/null, and the descriptors stay as they are: what Python says meanwhile, in any thread,
arrives. glibc has no function for this, but where its FILE keeps the descriptor is part of its ABI
(bits/types/struct_FILE.h), and is checked before it is touched. With other C libraries nothing is done, and the
libraries are heard.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_DESCRIPTOR_AT = 112  # in glibc's FILE, on 64-bit processors
_lock = threading.Lock()
_users = 0


@contextmanager
def native_code_quiet() -> Iterator[None]:
    """What native code writes, in any thread, is dropped until the block ends; of several blocks that run at the same
    time, the last one."""
    _count(+1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _users
    with _lock:
        before, _users = _users, max(0, _users + change)
        if bool(before) != bool(_users):
            _point(at_nothing=bool(_users))


def _point(at_nothing: bool) -> None:
    for stream in _streams():
        stream.flush()  # what was said before arrives, what was said meanwhile does not
        stream.place.value = stream.null if at_nothing else stream.descriptor


class _Stream:
    """One of glibc's. Raises OSError, TypeError, ValueError or AttributeError where it is not what is expected."""

    def __init__(self, library: ctypes.CDLL, name: str, descriptor: int, null: int):
        address = ctypes.c_void_p.in_dll(library, name).value
        if address is None:
            raise ValueError(f"there is no {name}")
        file = ctypes.c_void_p(address)
        self.place = ctypes.c_int.from_address(address + _DESCRIPTOR_AT)
        self.descriptor, self.null = descriptor, null
        self.flush = functools.partial(library.fflush, file)
        if not self.place.value == library.fileno(file) == descriptor:
            raise ValueError(f"{name} was redirected in another way")


@functools.lru_cache(maxsize=None)
def _streams() -> tuple[_Stream, ...]:
    """C's stderr and stdout; none with another C library."""
    try:
        library = ctypes.CDLL(None)
        if ctypes.sizeof(ctypes.c_void_p) != 8 or not hasattr(library, "gnu_get_libc_version"):
            return ()
        null = os.open(os.devnull, os.O_WRONLY)
        found = tuple(_Stream(library, name, number, null) for number, name in ((2, "stderr"), (1, "stdout")))
    except (OSError, TypeError, ValueError, AttributeError):
        return ()
    os.register_at_fork(after_in_child=_speak_again)
    return found


def _speak_again() -> None:
    """In a forked child, where the threads that would end the silence are not."""
    global _lock, _users
    if _users:
        _point(at_nothing=False)
    _lock, _users = threading.Lock(), 0
