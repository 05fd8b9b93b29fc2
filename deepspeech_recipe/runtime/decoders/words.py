"""The beam search with a language model: words that it knows, each weighed when a space ends it, as the client does.

Source: as `prefixes`, and scorer.cpp. At the end a last word is weighed as if a space were behind it; what is not a
whole word is as likely as a word that the language model does not know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from deepspeech_recipe.runtime.decoders.prefixes import PrefixUtterance

_UNKNOWN = -1000.0  # natural logarithm
# Frames after which the search does not go back on a text: 10 s at 20 ms. A few words leave it little else to keep.
_KEPT = 500


class Tree:
    """Words by their letters. Nodes are numbered by depth, those behind one side by side; 0 is the beginning.

    Of each node: letter; word, which ends there, or -1; first and count of those behind it.
    """

    def __init__(self, spelled: Sequence[Sequence[int]]):
        """spelled: the letters of each word, at least one."""
        words = np.array(sorted(range(len(spelled)), key=lambda word: tuple(spelled[word])))
        length = np.array([len(spelled[word]) for word in words])
        letters = np.concatenate([np.asarray(spelled[word]) for word in words])
        begin = np.cumsum(length) - length
        node = np.zeros(len(words), np.int64)  # where each word has got to
        self.letter, ends, parents, depth = [np.array([-1])], [(node[:0], words[:0])], [node[:0]], 0
        nodes = 1
        while len(words):
            letter = letters[begin + depth]
            new = np.append(True, (node[1:] != node[:-1]) | (letter[1:] != letter[:-1]))
            self.letter.append(letter[new])
            parents.append(node[new])
            node = nodes - 1 + np.cumsum(new)
            nodes, depth = nodes + int(new.sum()), depth + 1
            done = length == depth
            ends.append((node[done], words[done]))
            words, length, begin, node = (each[~done] for each in (words, length, begin, node))
        self.letter = np.concatenate(self.letter)
        self.word = np.full(nodes, -1)
        for node, word in ends:
            self.word[node] = word
        self.count = np.bincount(np.concatenate(parents), minlength=nodes)
        self.first = 1 + np.cumsum(self.count) - self.count

    def behind(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What follows some nodes: (which of them, node behind it)."""
        count = self.count[nodes]
        which = np.repeat(np.arange(len(nodes)), count)
        return which, np.arange(len(which)) + np.repeat(self.first[nodes] - np.cumsum(count) + count, count)


class Said:
    """The words before one, as far as a language model looks back.

    weigh(state, word) → (state behind it, natural logarithm of its probability). hot: word → boost. order: words of the
    longest n-gram. boosts: of the words before, at most order − 1.
    """

    def __init__(self, state, weigh, hot: Mapping[int, float], order: int, boosts: tuple[float, ...] = ()):
        self._state, self._weigh, self._hot, self._order, self._boosts = state, weigh, hot, order, boosts
        self._found: dict[int, tuple[float, Said]] = {}

    def then(self, word: int) -> tuple[float, Said]:
        """The logarithm of a word's probability, with the boosts of all words of its n-gram, and what is said then."""
        if word not in self._found:
            state, score = self._weigh(self._state, word)
            boosts = (*self._boosts, self._hot.get(word, 0.0))[-self._order :]
            said = Said(
                state, self._weigh, self._hot, self._order, boosts[1:] if len(boosts) == self._order else boosts
            )
            self._found[word] = score + sum(boosts), said
        return self._found[word]


class WordsUtterance(PrefixUtterance):
    """alpha, beta: weights of the language model, and of the number of words. space: the class that ends words."""

    def __init__(self, classes: int, width: int, tree: Tree, said: Said, space: int, alpha: float, beta: float):
        super().__init__(classes, width)
        self._tree, self._space, self._alpha, self._beta = tree, space, alpha, beta
        # Of each text: where in the tree it is, the words before, and what it weighs to end one here, once it is known.
        self._node, self._ending = np.zeros(1, np.int64), np.full(1, np.nan)
        self._said = np.array([said], object)

    def feed(self, probabilities: np.ndarray) -> None:
        """Frames `[n, classes]`, the blank being the last class; n may be 0."""
        for part in np.split(probabilities, range(-self._frame % _KEPT, len(probabilities), _KEPT)):
            super().feed(part)
            if len(part) and self._frame % _KEPT == 0:
                self._settle()

    def _settle(self) -> None:
        """Forgets texts that began otherwise than the likeliest one."""
        begins = self._texts.marked(self._text)
        use = begins == begins[self._weights().argmax()]
        for name in ("text", "time", "last", "key", "parent", "blank", "letter", "node", "said", "ending"):
            setattr(self, f"_{name}", getattr(self, f"_{name}")[use])

    def finish(self, count: int = 1) -> list:
        """The likeliest texts, the best first, with the weight of their last word."""
        words = np.flatnonzero(self._node)
        weights = self._weights()
        weights[words] += self._endings(words)
        return self._best(weights, count)

    def _endings(self, rows: np.ndarray) -> np.ndarray:
        """What it weighs to end the words of these rows."""
        for row in rows[np.isnan(self._ending[rows])]:
            word = self._tree.word[self._node[row]]
            score = self._said[row].then(word)[0] if word >= 0 else _UNKNOWN
            self._ending[row] = self._alpha * score + self._beta
        return self._ending[rows]

    def _least(self, total: np.ndarray, silent: float) -> float:
        return total.min() + silent - max(0.0, self._beta) if len(total) == self._width else -np.inf

    def _longer(self, row: np.ndarray, label: np.ndarray, letters: np.ndarray, total: np.ndarray, least: float):
        found = super()._longer(row, label, letters, total, least)
        ends = np.flatnonzero((label == self._space) & (found > -np.inf))
        found[ends] += self._endings(row[ends])
        return found

    def _candidates(self, likely: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row, node = self._tree.behind(self._node)
        label = self._tree.letter[node]
        use = likely[label]
        ends = np.flatnonzero(self._tree.word[self._node] >= 0)
        rows, nodes = np.concatenate([row[use], ends]), np.concatenate([node[use], np.zeros(len(ends), np.int64)])
        return rows, np.concatenate([label[use], np.full(len(ends), self._space)]), nodes

    def _keep(self, kept: np.ndarray, row: np.ndarray, label: np.ndarray, node: np.ndarray, peak, before) -> None:
        super()._keep(kept, row, label, node, peak, before)
        said = self._said[row]
        for at in np.flatnonzero(label == self._space):
            said[at] = said[at].then(self._tree.word[self._node[row[at]]])[1]
        self._node = np.concatenate([self._node[kept], node])
        self._said = np.concatenate([self._said[kept], said])
        self._ending = np.concatenate([self._ending[kept], np.full(len(row), np.nan)])


def weigher(model, indices: Sequence[int]):
    """`Said`'s weigh, of a language model of flashlight. indices: of each word in its dictionary."""

    def weigh(state, word: int):
        state, score = model.score(state, indices[word])
        return state, score * math.log(10)

    return weigh
