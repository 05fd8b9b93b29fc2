"""Checks KenLM's binary files before KenLM reads them: it follows what they say without a look at their size.

Source: KenLM, lm/binary_format.cc (header), vocab.cc, trie.cc, bhiksha.cc, quantize.hh, search_hashed.hh.
Every number that KenLM uses as a place is held against the section it points into, and every weight must be a finite
number: with those right, no lookup leaves the file. What cannot be told is a weight that is another finite number.
"""

import struct
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, reading
from deepspeech_recipe.runtime.decoders.scorer_file import MAGIC as SCORER_MAGIC

_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n".ljust(56, b"\0")
_SANITY = _MAGIC + struct.pack("<fffIIIQ", 0, 1, -0.5, 1, 2**32 - 1, 0, 1)
_FIXED = struct.Struct("<B3xfI?3xI")  # order, probing multiplier, kind, whether words follow, version of the search
_ORDERS = range(2, 11)
_PROBING = 0
_QUANTIZED, _ARRAYS = (3, 5), (4, 5)
_TRIES = range(2, 6)
_CHUNK = 2**20  # entries looked at together


class _Damaged(Exception):
    """What is wrong."""


def check_binary(path: Path) -> None:
    """path: a KenLM binary, or a `.scorer`, which begins with one. Raises RecipeError if that is damaged."""
    with error_context(path), reading(path):
        if not path.stat().st_size:
            raise RecipeError(f"{path}: is empty.")
        data = np.memmap(path, np.uint8, "r")
        if data[: len(_MAGIC)].tobytes() != _MAGIC:
            raise RecipeError(f"{path}: is not a language model that KenLM can read: it does not begin as one.")
        try:
            _Checked(data).check()
        except (_Damaged, struct.error, ValueError, IndexError, OverflowError) as error:
            reason = error if isinstance(error, _Damaged) else "it is shorter than its header says"
            raise RecipeError(f"{path}: is damaged or cut off: {reason}. Copy or make the file again.") from None


def binary_order(path: Path) -> int:
    """How many words its longest n-grams have; of a file that is checked."""
    with error_context(path), reading(path), path.open("rb") as file:
        file.seek(len(_SANITY))
        return _FIXED.unpack(file.read(_FIXED.size))[0]


def _expect(right, reason: str) -> None:
    if not right:
        raise _Damaged(reason)


class _Checked:
    """One file, checked from its beginning to its end. at: how far."""

    def __init__(self, data: np.ndarray):
        self._data = data
        _expect(data[: len(_SANITY)].tobytes() == _SANITY, "its header is not that of KenLM's binary format 5")
        begin, at = len(_SANITY), len(_SANITY) + _FIXED.size
        order, self._multiplier, self._kind, self._words, version = _FIXED.unpack_from(data[begin:at].tobytes())
        _expect(order in _ORDERS, f"it says that it is of order {order}")
        _expect(self._kind in (_PROBING, *_TRIES), f"its kind of model ({self._kind}) is not a probing table or a trie")
        _expect(version == (self._kind in _TRIES), f"its search has the version {version}")
        _expect(1 <= self._multiplier <= 100, f"its tables are {self._multiplier} times too large")
        self._counts = struct.unpack_from(f"<{order}Q", data[at : at + 8 * order].tobytes())
        _expect(self._counts[0] >= 1 and max(self._counts) <= 8 * len(data), "it counts more n-grams than it can hold")
        self._at = -(-(at + 8 * order) // 8) * 8

    def check(self) -> None:
        (self._check_trie if self._kind in _TRIES else self._check_tables)()
        if self._words:
            texts = self._data[self._at :]
            ends = np.flatnonzero(texts == 0)
            _expect(texts[:6].tobytes() == b"<unk>\0", "its list of words is not where it should be")
            _expect(len(ends) >= self._bound, f"its list of words has {len(ends)} of {self._bound}")
            self._at += int(ends[self._bound - 1]) + 1
        behind = self._data[self._at : self._at + 4].tobytes()
        _expect(behind in (b"", SCORER_MAGIC), f"something else follows its {self._at} bytes")

    def _take(self, kind, count: int) -> np.ndarray:
        size = np.dtype(kind).itemsize * count
        _expect(self._at + size <= len(self._data), f"it has {len(self._data)} bytes, its header says more")
        found = np.frombuffer(self._data, kind, count, self._at)
        self._at += size
        return found

    def _check_trie(self) -> None:
        counts = self._counts
        (words,) = self._take("<u8", 1).tolist()
        _expect(words <= counts[0], f"it has {words} words, its header says {counts[0]}")
        hashes = self._take("<u8", counts[0])[:words]
        _expect((hashes[1:] > hashes[:-1]).all(), "its words are not in their order")
        self._bound = words + 1
        bits = self._quantization(len(counts)) if self._kind in _QUANTIZED else None
        first = self._take([("prob", "<f4"), ("backoff", "<f4"), ("next", "<u8")], counts[0] + 2)[: self._bound + 1]
        _finite(first[:-1]["prob"], first[:-1]["backoff"])
        starts = _Starts(counts[1])
        starts.add(first["next"])
        for level in range(1, len(counts)):
            starts = self._check_level(level, bits, starts)

    def _quantization(self, order: int) -> list[tuple[np.ndarray, ...]]:
        """(probabilities, backoffs) of the middle orders, (probabilities,) of the longest."""
        version, prob, backoff = self._take("u1", 8)[:3].tolist()
        _expect(version == 2 and 1 <= prob <= 25 and 1 <= backoff <= 25, f"it has {prob} and {backoff} bits a weight")
        tables: list[tuple[np.ndarray, ...]] = [
            (self._take("<f4", 2**prob), self._take("<f4", 2**backoff)) for _ in range(order - 2)
        ]
        tables.append((self._take("<f4", 2**prob),))
        for table in (each for level in tables for each in level):
            _expect(not np.isnan(table).any() and not (table == np.inf).any(), "a table of weights has no numbers")
        return tables

    def _check_level(self, level: int, tables, starts: "_Starts") -> "_Starts":
        """n-grams of level + 1 words: word, weights and, but for the longest, where the longer ones begin."""
        entries, longest = self._counts[level], level == len(self._counts) - 1
        following = _Starts(0 if longest else self._counts[level + 1])
        inline, blocks = (0, None) if longest else self._pointers(level)
        word_bits = self._counts[0].bit_length()
        widths = [31, 32] if tables is None else [len(table).bit_length() - 1 for table in tables[level - 1]]
        widths = widths[:1] if longest else widths
        total = word_bits + sum(widths) + inline
        packed = self._take("u1", ((1 + entries) * total + 7) // 8 + 8)
        before = -1
        for begin in range(0, entries + 1, _CHUNK):
            index = np.arange(begin, min(begin + _CHUNK, entries + 1), dtype=np.uint64)
            place = index * np.uint64(total)
            if blocks is not None:
                after = _bits(packed, place + np.uint64(total - inline), inline)
                following.add(
                    (np.searchsorted(blocks, index, "right").astype(np.uint64) - 1 << np.uint64(inline)) | after
                )
            place, index = place[: entries - begin], index[: entries - begin]
            if not len(index):
                break
            words = _bits(packed, place, word_bits).astype(np.int64)
            _expect(words.max() < self._bound, f"an n-gram of {level + 1} words has a word that is none")
            fresh = starts.at(begin, len(index))
            _expect((fresh | (np.diff(words, prepend=before) > 0)).all(), "its n-grams are not in their order")
            before = int(words[-1])
            place = place + np.uint64(word_bits)
            if tables is None:
                prob = _bits(packed, place, 31).astype(np.uint32)
                _finite(prob.view(np.float32))
                if not longest:
                    _finite(_bits(packed, place + np.uint64(31), 32).astype(np.uint32).view(np.float32))
            else:  # of a middle order, the backoff lies before the probability
                for table, width in reversed(list(zip(tables[level - 1], widths, strict=True))):
                    _finite(table[_bits(packed, place, width)])
                    place = place + np.uint64(width)
        starts.check()
        return following

    def _pointers(self, level: int) -> tuple[int, np.ndarray]:
        """Bits of a pointer in an entry, and the indices from which on its higher part is 1, 2, … (bhiksha.cc)."""
        most, entries = self._counts[level + 1], self._counts[level] + 1
        needed = most.bit_length()
        if self._kind not in _ARRAYS:
            return needed, np.zeros(1, np.uint64)
        version, allowed = self._data[self._at : self._at + 2].tolist()
        _expect(version == 0, f"its arrays have the version {version}")
        chopped = min(range(min(needed, allowed) + 1), key=lambda bits: (most >> (needed - bits)) * 64 - entries * bits)
        end = self._at + 8 * (2 + (most >> (needed - chopped))) + 7
        self._at = -(-self._at // 8) * 8 + 8
        blocks = self._take("<u8", (most >> (needed - chopped)) + 1)
        _expect(blocks[0] == 0 and (blocks[1:] >= blocks[:-1]).all(), "its pointers are not in their order")
        self._at = end
        return needed - chopped, blocks

    def _check_tables(self) -> None:
        """Hash tables with open addressing: a search ends at an empty place, so there must be one."""
        counts = self._counts
        version, self._bound = self._take("<u4", 2).tolist()
        _expect(version == 0 and 1 <= self._bound <= counts[0] + 1, f"it says that it has {self._bound} words")
        words = self._table([("key", "<u8"), ("value", "<u4")], counts[0])
        _expect((words["value"] < self._bound).all(), "a word has a number that is none")
        for values in self._take(np.dtype(("<f4", 2)), counts[0] + 1)[: self._bound].T:
            _finite(values)
        for level, count in enumerate(counts[1:], 2):
            size = 1 if level == len(counts) else 2
            for values in self._table([("key", "<u8"), ("value", "<f4", (size,))], count)["value"].T:
                _finite(values)

    def _table(self, kind: list, count: int) -> np.ndarray:
        places = int(np.float32(self._multiplier) * np.float32(count))
        found = self._take(kind, max(count + 1, places))
        used = found[found["key"] != 0]
        _expect(len(used) < len(found), "a table is full, so that no search in it would end")
        return used


class _Starts:
    """Where, among the n-grams of an order, those begin that share their beginning; in ascending order, up to count."""

    def __init__(self, count: int):
        self._fresh = np.zeros(count + 1, bool)
        self._last = 0

    def add(self, places: np.ndarray) -> None:
        _expect(len(places) == 0 or (places[0] >= self._last and (places[1:] >= places[:-1]).all()),
                "its pointers are not in their order")  # fmt: skip
        _expect(places[-1] < len(self._fresh), "a pointer leads out of it")
        self._fresh[places.astype(np.int64)] = True
        self._last = int(places[-1])

    def at(self, begin: int, count: int) -> np.ndarray:
        return self._fresh[begin : begin + count]

    def check(self) -> None:
        _expect(self._last == len(self._fresh) - 1, "its pointers do not reach its last n-gram")


def _bits(packed: np.ndarray, places: np.ndarray, width: int) -> np.ndarray:
    """Numbers of `width` bits, at most 57, that begin at these bits."""
    shifted: np.ndarray = np.ndarray(len(packed) - 7, "<u8", packed, strides=(1,))
    return shifted[(places >> np.uint64(3)).astype(np.int64)] >> (places & np.uint64(7)) & np.uint64((1 << width) - 1)


def _finite(*values: np.ndarray) -> None:
    """Decimal logarithms: beyond a million they are not a language's, and sums of them are not numbers."""
    for each in values:
        _expect((np.abs(each) < 1e6).all(), "a weight is not a finite number, or much too large")
