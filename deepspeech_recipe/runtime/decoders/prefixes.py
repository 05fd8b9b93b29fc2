"""Beam search over the beginnings of a text, as DeepSpeech's client does it: it adds up the paths of each text, and
notes for every letter a frame. `words` has the search with a language model.

Source: native_client/ctcdecode (ctc_beam_search_decoder.cpp, path_trie.cpp) of Coqui STT 1.4.0. A letter's frame is
noted anew as long as the paths that begin it there weigh more than those that were in it before, and more than the
blank behind it, if the client has looked at that by then.
"""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.decoders.greedy import check_frames
from deepspeech_recipe.runtime.result import Hypothesis, Token

# The client does not look at the frames before the first one that may be something else than a blank.
_SURELY_BLANK = 0.999
# It looks at that many classes of a frame. If there are more, the likeliest come first, else the blank comes last.
_CLASSES = 40
_SMALLEST = np.finfo(np.float32).tiny  # what it adds to a probability before the logarithm
_SWEPT = 2**14  # nodes, of which those that no text needs are forgotten
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, and its bits look random


class _Chains:
    """Chains of letters, or of frames, that share their beginnings: a node stands for all of them up to it.

    values: of each node, columns of numbers; nodes come behind those before them, and 0 is the beginning.
    """

    def __init__(self, columns: int):
        self._before, self.values, self.count = np.zeros(_SWEPT, np.int64), np.zeros((_SWEPT, columns)), 1
        self._most, self._mark = _SWEPT, 0

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

    def marked(self, nodes: np.ndarray) -> np.ndarray:
        """Their beginnings that were there when this was last asked."""
        while (late := nodes > self._mark).any():
            nodes = np.where(late, self._before[nodes], nodes)
        self._mark = self.count - 1
        return nodes

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
        self._mark = int(numbers[self._mark])
        self.count, self._most = len(before), max(_SWEPT, 2 * len(before))
        self._before[: self.count], self.values[: self.count] = before, values
        return numbers[used]


class PrefixUtterance:
    """One utterance: the likeliest beginnings of its text, in rows, at most `width` of them. Weights are logarithms."""

    def __init__(self, classes: int, width: int):
        self._classes, self._width = classes, width
        # Columns: letter, its highest probability, where its frames end; and where it begins.
        self._texts, self._times = _Chains(3), _Chains(1)
        # Of each text: its node, that of its times, its last letter, and what it and the text before it are known by.
        self._text, self._time, self._last = np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([-1])
        self._key, self._parent = np.ones(1, np.uint64), np.zeros(1, np.uint64)
        # The weights of its paths: of those that end with a blank, and of those that end in its last letter.
        self._blank, self._letter = np.zeros(1), np.full(1, -np.inf)
        self._frame, self._begun = 0, False

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
        return replace(self._best(self._weights(), 1)[0], settled=self._texts.shared(self._text))

    def finish(self, count: int = 1) -> list[Hypothesis]:
        """The likeliest texts, the best first."""
        return self._best(self._weights(), count)

    def _weights(self) -> np.ndarray:
        return np.logaddexp(self._blank, self._letter)

    def _best(self, weights: np.ndarray, count: int) -> list[Hypothesis]:
        return [self._hypothesis(row, weights[row]) for row in np.argsort(-weights, kind="stable")[:count]]

    def _hypothesis(self, row: int, weight: float) -> Hypothesis:
        letters, starts = self._texts.of(self._text[row]), self._times.of(self._time[row])[:, 0]
        ends = np.minimum(np.maximum(letters[:, 2], starts + 1), np.append(starts[1:], self._frame))
        columns = letters[:, 0].astype(int), starts.astype(int), ends.astype(int), letters[:, 1]
        tokens = tuple(map(Token, *(column.tolist() for column in columns)))
        return Hypothesis(tokens, float(weight))

    def _step(self, frame: np.ndarray) -> None:
        scores = np.log(frame + _SMALLEST)
        if self._classes > _CLASSES:
            scores[frame < np.partition(frame, -_CLASSES)[-_CLASSES]] = -np.inf
        letters, silent, rows = scores[:-1], scores[-1], np.arange(len(self._key))
        total, named = self._weights(), self._last >= 0
        # What the texts that are there already get.
        order = np.argsort(self._key)
        place = order[np.minimum(np.searchsorted(self._key, self._parent, sorter=order), len(order) - 1)]
        there = (self._key[place] == self._parent) & named
        child, parent = rows[there], place[there]
        least = self._least(total, silent)
        new, own = np.full(len(rows), -np.inf), np.where(named, letters[self._last], -np.inf)
        new[child] = self._longer(parent, self._last[child], letters, total, least)
        old = np.where(total + own >= least, own + self._letter, -np.inf)
        behind, inside = silent + total, np.logaddexp(new, old)
        noted = (new > old) & ((inside >= behind) | ((own < silent) & (self._classes > _CLASSES)))
        before = self._time.copy()
        changed = noted & there
        self._time[changed] = self._times.add(before[place[changed]], self._frame)
        said, peaks = self._text[own >= scores.max()], self._texts.values[:, 1]
        peaks[self._text] = np.maximum(peaks[self._text], np.exp(own))
        self._texts.values[said, 2] = self._frame + 1
        # What they become by one letter more, if it can be among the likeliest and is not there.
        weights = np.logaddexp(inside, behind)
        last = np.partition(weights, -self._width)[-self._width] if len(weights) >= self._width else -np.inf
        row, label, node = self._candidates(total.max() + letters > last)
        taken = np.zeros((len(rows), self._classes), bool)
        taken[parent, self._last[child]] = True
        longer = self._longer(row, label, letters, total, least)
        use = (longer > last) & ~taken[row, label]
        row, label, node, longer = row[use], label[use], node[use], longer[use]
        # The likeliest of both.
        weights = np.concatenate([weights, longer])
        best = np.argpartition(-weights, self._width - 1)[: self._width] if len(weights) > self._width else slice(None)
        chosen = np.arange(len(weights))[best]
        kept, chosen = chosen[chosen < len(rows)], chosen[chosen >= len(rows)] - len(rows)
        row, label = row[chosen], label[chosen]
        self._keep(kept, row, label, node[chosen], frame[label], before[row])
        self._letter = np.concatenate([inside[kept], longer[chosen]])
        self._blank = np.concatenate([behind[kept], np.full(len(row), -np.inf)])

    def _keep(self, kept: np.ndarray, row: np.ndarray, label: np.ndarray, node: np.ndarray, peak, before) -> None:
        """These rows stay, and behind them come texts of others, each with one letter more. before: their times."""
        key = self._key[row] * _FACTOR + (label + 1).astype(np.uint64)
        text = self._texts.add(self._text[row], label, peak, self._frame + 1)
        time = self._times.add(before, self._frame)
        self._parent = np.concatenate([self._parent[kept], self._key[row]])
        self._key, self._last = np.concatenate([self._key[kept], key]), np.concatenate([self._last[kept], label])
        self._text, self._time = np.concatenate([self._text[kept], text]), np.concatenate([self._time[kept], time])

    def _least(self, total: np.ndarray, silent: float) -> float:
        """What a text must weigh with one letter more to be worth a look: here, nothing."""
        return -np.inf

    def _longer(self, row: np.ndarray, label: np.ndarray, letters: np.ndarray, total: np.ndarray, least: float):
        """What texts weigh with one letter more; twice the same letter needs a blank between them."""
        more = letters[label]
        found = more + np.where(label == self._last[row], self._blank[row], total[row])
        return np.where(more + total[row] >= least, found, -np.inf)

    def _candidates(self, likely: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which texts may be followed by which of the likely letters: (row, letter, something to remember)."""
        letters = np.flatnonzero(likely)
        rows = np.arange(len(self._key))
        return np.repeat(rows, len(letters)), np.tile(letters, len(rows)), np.zeros(len(rows) * len(letters), np.int64)
