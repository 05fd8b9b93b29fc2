"""Error rates of a frozen graph on the held-out splits: ``python -m training.evaluate WORK GRAPH.pb``.

Prints the model card's tables (Markdown). Greedy decoding, chained chunks, no language model.
"""

import sys
from collections import defaultdict
from pathlib import Path

from training.frozen import Frozen
from training.plan import plan
from training.text import edits, greedy
from training.train import load

SPLITS = {
    "texts": "unseen texts, known voices",
    "voices": "unseen texts, unseen voices",
    "accent": "unseen texts, known voices, unseen accent",
}


class Count:
    """Errors and totals of characters, words and utterances."""

    def __init__(self):
        self.letter_errors = self.letters = self.word_errors = self.words = self.wrong = self.total = 0

    def add(self, wanted: str, got: str) -> None:
        self.letter_errors += edits(wanted, got)
        self.letters += len(wanted)
        self.word_errors += edits(wanted.split(), got.split())
        self.words += len(wanted.split())
        self.wrong += wanted != got
        self.total += 1

    def __str__(self):
        rates = [self.letter_errors / self.letters, self.word_errors / self.words, self.wrong / self.total]
        return " | ".join([str(self.total), *(f"{100 * rate:.2f} %" for rate in rates)])


def main(work: Path, graph: Path) -> None:
    """Print one table by split, one by split and accent, one by unseen voice."""
    frozen = Frozen(graph)
    by_split, by_accent, by_voice = (defaultdict(Count) for _ in range(3))
    for split, name in SPLITS.items():
        lines = [line for line in plan() if line.split == split]
        for line, (frames, text) in zip(lines, load(work, split), strict=True):
            assert line.text == text
            got = greedy(frozen.probabilities(frames))
            by_split[name].add(text, got)
            by_accent[f"{name}: {line.accent}"].add(text, got)
            if split == "voices":
                by_voice[line.voice].add(text, got)
    for title, counts in (("group", by_split), ("group and accent", by_accent), ("unseen voice", by_voice)):
        print(f"| {title} | utterances | CER | WER | not exact |\n|---|---|---|---|---|")
        for name, count in sorted(counts.items()) if counts is not by_split else counts.items():
            print(f"| {name} | {count} |")
        print()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
