"""Reads what DeepSpeech and Coqui STT append to a KenLM file to make it a `.scorer`: weights and words.

Source: native_client/ctcdecode/scorer.cpp, version 6, and OpenFst's ConstFst. Behind KenLM's data follow the magic
'TRIE', the version, a UTF-8 flag, alpha, beta, and an automaton whose paths are the words: labels are classes plus
one, and each word ends with a space, unless the flag is set.
"""

import mmap
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, reading

MAGIC = b"EIRT"  # 'TRIE' as a little-endian number
_VERSION = 6
_FST_MAGIC = 2125659606
_HAS_SYMBOLS, _ALIGNED = 3, 4
LARGEST_WEIGHT = 1e4  # of alpha, beta and boosts: all that people use is below 1000
_ALIGNMENT = 16
_STATE = np.dtype([("final", "<f4"), ("first", "<u4"), ("arcs", "<u4"), ("inputs", "<u4"), ("outputs", "<u4")])
_ARC = np.dtype([("label", "<i4"), ("output", "<i4"), ("weight", "<f4"), ("next", "<i4")])
_MOST_LETTERS = 2**28  # beyond what a language has


@dataclass(frozen=True)
class ScorerFile:
    """words: classes of their letters, without the space at the end."""

    alpha: float
    beta: float
    utf8: bool
    words: list[tuple[int, ...]]


def read_scorer(path: str | os.PathLike, space: int | None) -> ScorerFile:
    """space: the class of the space, which words must end with.

    Raises RecipeError if the file is not a scorer, damaged, or of another alphabet.
    """
    path = Path(path)
    with error_context(path), reading(path), path.open("rb") as file:
        if not path.stat().st_size:
            raise RecipeError(f"{path}: is empty.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _read(path, data, space)
            except (struct.error, ValueError, IndexError):
                raise RecipeError(f"{path}: is damaged or cut off: its words cannot be read.") from None


def _read(path: Path, data, space: int | None) -> ScorerFile:
    at = data.rfind(MAGIC + struct.pack("<i", _VERSION))
    if at < 0:
        old = data.rfind(MAGIC)
        version = struct.unpack_from("<i", data, old + 4)[0] if 0 <= old <= len(data) - 8 else None
        if version is not None and 0 < version < 100:
            raise RecipeError(f"{path}: is a scorer of version {version}, {_VERSION} is needed (DeepSpeech v0.7 on).")
        raise RecipeError(f"{path}: is not a scorer: the words behind the language model are missing.")
    utf8, alpha, beta = struct.unpack_from("<?dd", data, at + 8)
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not abs(value) <= LARGEST_WEIGHT:  # not a number is not less than any
            raise RecipeError(f"{path}: is damaged: its {name} is {value}.")
    states, arcs, start = _automaton(path, data, at + 25)
    words = [] if utf8 else [_without_space(path, word, space) for word in _paths(states, arcs, start)]
    return ScorerFile(alpha, beta, utf8, words)


def _automaton(path: Path, data, at: int) -> tuple[np.ndarray, np.ndarray, int]:
    magic, length = struct.unpack_from("<ii", data, at)
    kind = data[at + 8 : at + 8 + length]
    at += 8 + length
    (length,) = struct.unpack_from("<i", data, at)
    at += 4 + length
    version, flags, _, start, state_count, arc_count = struct.unpack_from("<iiQqqq", data, at)
    at += 40
    if magic != _FST_MAGIC or kind != b"const" or flags & _HAS_SYMBOLS:
        raise RecipeError(f"{path}: keeps its words in an automaton of another kind.")
    aligned = version == 1 or flags & _ALIGNED
    at += -at % _ALIGNMENT if aligned else 0
    # Copies: the file is closed when the words are read.
    states = np.frombuffer(data[at : at + state_count * _STATE.itemsize], _STATE, state_count)
    at += states.nbytes
    at += -at % _ALIGNMENT if aligned else 0
    arcs = np.frombuffer(data[at : at + arc_count * _ARC.itemsize], _ARC, arc_count)
    _check(states, arcs, start)
    return states, arcs, start


def _check(states: np.ndarray, arcs: np.ndarray, start: int) -> None:
    """Raises ValueError if a state or an arc leads out of the automaton."""
    ends = states["first"].astype(np.uint64) + states["arcs"]
    inside = (arcs["next"] >= 0) & (arcs["next"] < len(states)) & (arcs["label"] >= 1)
    if not 0 <= start < len(states) or (ends > len(arcs)).any() or not inside.all() or np.isnan(states["final"]).any():
        raise ValueError


def _paths(states: np.ndarray, arcs: np.ndarray, start: int) -> Iterator[tuple[int, ...]]:
    """Labels, less one, on the ways from start to a final state."""
    final = np.isfinite(states["final"]).tolist()
    first, counts = states["first"].tolist(), states["arcs"].tolist()
    labels, following = (arcs["label"] - 1).tolist(), arcs["next"].tolist()

    def after(state: int) -> list[int]:
        return following[first[state] : first[state] + counts[state]]

    if _letters(start, after) > _MOST_LETTERS:
        raise ValueError
    stack: list[tuple[int, tuple[int, ...]]] = [(start, ())]
    while stack:
        state, word = stack.pop()
        if word and final[state]:
            yield word
        begin = first[state]
        stack += [(following[arc], (*word, labels[arc])) for arc in range(begin, begin + counts[state])]


def _letters(start: int, after: Callable[[int], list[int]]) -> int:
    """Letters of all prefixes of all ways, counted before any is followed. Raises ValueError if there is a circle."""
    ways: dict[int, tuple[int, int]] = {}  # state → ways that begin there, however long; letters on all of them
    waiting = [start]
    open_states = set()
    while waiting:
        state = waiting[-1]
        if state in ways:
            waiting.pop()
        elif state in open_states:
            found = [ways[each] for each in after(state)]
            ways[state] = 1 + sum(count for count, _ in found), sum(count + letters for count, letters in found)
            open_states.discard(state)
            waiting.pop()
        else:
            open_states.add(state)
            coming = [each for each in after(state) if each not in ways]
            if not open_states.isdisjoint(coming):
                raise ValueError
            waiting += coming
    return ways[start][1]


def _without_space(path: Path, word: tuple[int, ...], space: int | None) -> tuple[int, ...]:
    if len(word) < 2 or word[-1] != space or space in word[:-1]:
        raise RecipeError(f"{path}: does not fit the model's alphabet: its words do not end with the model's space.")
    return word[:-1]
