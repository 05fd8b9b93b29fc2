"""Beam search over the beginnings of a text, as DeepSpeech's client does it without a language model: it adds up the
paths of each text, and notes for every letter a frame.

Source: native_client/ctcdecode (ctc_beam_search_decoder.cpp, path_trie.cpp) of Coqui STT 1.4.0. A letter's frame is
noted anew as long as the paths that begin it there weigh more than those that were in it before, and more than the
blank behind it, if the client has looked at that by then.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import replace

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.decoders.greedy import check_frames
from deepspeech_recipe.runtime.result import Hypothesis, Token

# The client does not look at the frames before the first one that may be something else than a blank.
_SURELY_BLANK = 0.999
# It looks at that many classes of a frame. If there are more, the likeliest come first, else the blank comes last.
_CLASSES = 40
_SMALLEST = 1e-300
_SWEPT = 2**15  # nodes, of which those that no text needs are forgotten
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, and its bits look random


class _Chains:
    """Chains of letters, or of frames, that share their beginnings: a node stands for all of them up to it.

    values: of each node, columns of numbers; nodes come behind those before them, and 0 is the beginning.
    """

    def __init__(self, columns: int):
        self._before, self.values, self.count = np.zeros(_SWEPT, np.int64), np.zeros((_SWEPT, columns)), 1
        self._most = _SWEPT

    @property
    def full(self) -> bool:
        """Whether it is time for `sweep`."""
        return self.count > self._most

    def add(self, before: np.ndarray, *columns) -> np.ndarray:
        """Nodes behind other nodes."""
        first, self.count = self.count, self.count + len(before)
        while self.count > len(self._before):
            self._before, self.values = (np.concatenate([each, each]) for each in (self._before, self.values))
        self._before[first : self.count] = before
        for place, column in enumerate(columns):
            self.values[first : self.count, place] = column
        return np.arange(first, self.count)

    def of(self, node: int) -> np.ndarray:
        """The values of all nodes up to one, `[n, columns]`."""
        found = []
        while node:
            found.append(node)
            node = int(self._before[node])
        return self.values[found[::-1]]

    def shared(self, nodes: np.ndarray) -> int:
        """How many nodes all of these have in common."""
        front = {*nodes.tolist()}
        queue = [-node for node in front]
        heapq.heapify(queue)
        while len(queue) > 1:
            before = int(self._before[-heapq.heappop(queue)])
            if before not in front:
                front.add(before)
                heapq.heappush(queue, -before)
        return len(self.of(-queue[0]))

    def sweep(self, used: np.ndarray) -> np.ndarray:
        """Forgets what does not lead to these nodes, and returns their new numbers."""
        kept = np.zeros(self.count, bool)
        kept[0] = True
        front = np.unique(used)
        while len(front := front[~kept[front]]):
            kept[front] = True
            front = np.unique(self._before[front])
        numbers = np.cumsum(kept) - 1
        before, values = numbers[self._before[: self.count][kept]], self.values[: self.count][kept]
        self.count, self._most = len(before), max(_SWEPT, 2 * len(before))
        self._before[: self.count], self.values[: self.count] = before, values
        return numbers[used]


class PrefixUtterance:
    """One utterance: the likeliest beginnings of its text, in rows, at most `width` of them."""

    def __init__(self, classes: int, width: int):
        self._classes, self._width = classes, width
        # Columns: letter, its highest probability, where its frames end; and where it begins.
        self._texts, self._times = _Chains(3), _Chains(1)
        # Of each text: its node, that of its times, its last letter, and what it and the text before it are known by.
        self._text, self._time, self._last = np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([-1])
        self._key, self._parent = np.ones(1, np.uint64), np.zeros(1, np.uint64)
        # The weights of its paths: of those that end with a blank, and of those that end in its last letter.
        self._blank, self._letter = np.ones(1), np.zeros(1)
        self._frame, self._log, self._begun = 0, 0.0, False

    def feed(self, probabilities: np.ndarray) -> None:
        """Frames `[n, classes]`, the blank being the last class; n may be 0."""
        check_frames(probabilities)
        if len(probabilities) and probabilities.shape[1] != self._classes:
            raise RecipeError(
                f"Frames have {probabilities.shape[1]} classes, the decoder was made for {self._classes}."
            )
        for frame in probabilities.astype(float):
            self._begun = self._begun or frame[-1] < _SURELY_BLANK
            if self._begun:
                self._step(frame)
            self._frame += 1
            for chains, name in ((self._texts, "_text"), (self._times, "_time")):
                if chains.full:
                    setattr(self, name, chains.sweep(getattr(self, name)))

    def partial(self) -> Hypothesis:
        found = self.finish(1)[0]
        return replace(found, settled=self._texts.shared(self._text))

    def finish(self, count: int = 1) -> list[Hypothesis]:
        """The likeliest texts, the best first."""
        weights = self._blank + self._letter
        return [self._hypothesis(row, weights[row]) for row in np.argsort(-weights, kind="stable")[:count]]

    def _hypothesis(self, row: int, weight: float) -> Hypothesis:
        letters, starts = self._texts.of(self._text[row]), self._times.of(self._time[row])[:, 0]
        ends = np.minimum(np.maximum(letters[:, 2], starts + 1), np.append(starts[1:], self._frame))
        columns = letters[:, 0].astype(int), starts.astype(int), ends.astype(int), letters[:, 1]
        tokens = tuple(map(Token, *(column.tolist() for column in columns)))
        return Hypothesis(tokens, self._log + math.log(max(weight, _SMALLEST)))

    def _step(self, frame: np.ndarray) -> None:
        if self._classes > _CLASSES:
            frame = np.where(frame >= np.partition(frame, -_CLASSES)[-_CLASSES], frame, 0.0)
        letters, silent, rows = frame[:-1], frame[-1], np.arange(len(self._key))
        total, named = self._blank + self._letter, self._last >= 0
        # What each text becomes by one letter more; twice the same letter needs a blank between them.
        longer = total[:, None] * letters
        longer[rows[named], self._last[named]] = self._blank[named] * letters[self._last[named]]
        # What the texts that are there already get by that.
        order = np.argsort(self._key)
        place = order[np.minimum(np.searchsorted(self._key, self._parent, sorter=order), len(order) - 1)]
        there = (self._key[place] == self._parent) & named
        child, parent = rows[there], place[there]
        new, own = np.zeros(len(rows)), np.where(named, letters[self._last], 0.0)
        new[child] = longer[parent, self._last[child]]
        longer[parent, self._last[child]] = 0.0
        old, behind = own * self._letter, silent * total
        inside = new + old
        noted = (new > old) & ((inside >= behind) | ((own < silent) & (self._classes > _CLASSES)))
        before = self._time.copy()
        changed = noted & there
        self._time[changed] = self._times.add(before[place[changed]], self._frame)
        said, peaks = self._text[own >= frame.max()], self._texts.values[:, 1]
        peaks[self._text] = np.maximum(peaks[self._text], own)
        self._texts.values[said, 2] = self._frame + 1
        self._keep(frame, inside, behind, longer, before)

    def _keep(self, frame: np.ndarray, inside: np.ndarray, behind: np.ndarray, longer: np.ndarray, before: np.ndarray):
        """The likeliest of the texts that were there and those that are longer by a letter."""
        weights = inside + behind
        least = np.partition(weights, -self._width)[-self._width] if len(weights) >= self._width else 0.0
        row, label = np.nonzero(longer > least)
        weights = np.concatenate([weights, longer[row, label]])
        best = np.argpartition(-weights, self._width - 1)[: self._width] if len(weights) > self._width else slice(None)
        chosen = np.arange(len(weights))[best]
        kept, chosen = chosen[chosen < len(inside)], chosen[chosen >= len(inside)] - len(inside)
        row, label = row[chosen], label[chosen]
        scale = max(weights[best].max(), _SMALLEST)
        key = self._key[row] * _FACTOR + (label + 1).astype(np.uint64)
        text = self._texts.add(self._text[row], label, frame[label], self._frame + 1)
        time = self._times.add(before[row], self._frame)
        self._letter = np.concatenate([inside[kept], longer[row, label]]) / scale
        self._blank = np.concatenate([behind[kept], np.zeros(len(row))]) / scale
        self._parent = np.concatenate([self._parent[kept], self._key[row]])
        self._key, self._last = np.concatenate([self._key[kept], key]), np.concatenate([self._last[kept], label])
        self._text, self._time = np.concatenate([self._text[kept], text]), np.concatenate([self._time[kept], time])
        self._log += math.log(scale)
