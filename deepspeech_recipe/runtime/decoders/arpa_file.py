"""Language models as text, in the ARPA format: counts of n-grams, then each with log10 of its probability."""

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, reading

_COUNT = re.compile(r"ngram +(\d+) *= *(\d+)\s*$")
_SECTION = re.compile(r"\\(\d+)-grams:$")
_LONGEST_LINE = 2**16


def is_arpa(path: Path) -> bool:
    with error_context(path), reading(path), path.open("rb") as file:
        return file.read(4096).lstrip().startswith(b"\\data\\")


def arpa_words(path: Path) -> list[str]:
    """The 1-grams of an ARPA file, but for <s>, </s> and <unk>."""
    words = []
    with error_context(path), reading(path):
        for order, parts in _lines(path):
            if order > 1:
                break
            if order == 1 and len(parts) > 1 and not parts[1].startswith("<"):
                words.append(parts[1])
    return words


def arpa_order(path: Path) -> int:
    """How many words its longest n-grams have; of a file that is checked."""
    with error_context(path), reading(path):
        counted = itertools.takewhile(lambda line: line[0] == 0, _lines(path))
        matches = [_COUNT.match(" ".join(parts)) for _, parts in counted]
        return max((int(match[1]) for match in matches if match), default=1)


def check_arpa(path: Path) -> None:
    """Raises RecipeError if counts or weights are not those of a language model. KenLM makes room by the counts."""
    counts: dict[int, int] = {}
    found: dict[int, int] = {}
    with error_context(path), reading(path):
        for order, parts in _lines(path):
            if order == 0:
                if match := _COUNT.match(" ".join(parts)):
                    counts[int(match[1])] = int(match[2])
                continue
            found[order] = found.get(order, 0) + 1
            # Behind the words there may be a weight of the backoff, but for the longest n-grams.
            weights = [parts[0], *parts[order + 1 :]]
            if not 1 <= len(parts) - order <= 2 or not all(map(_is_finite, weights)):
                raise RecipeError(
                    f"{path}: is damaged: the {order}-gram {' '.join(parts)[:80]!r} has no finite weights."
                )
        if not counts or counts != found:
            said = ", ".join(f"{found.get(order, 0)} of {counts.get(order, 0)}" for order in sorted({*counts, *found}))
            raise RecipeError(f"{path}: is damaged or cut off: it has {said or 'no'} n-grams of each length.")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(order of the section, 0 for the counts; the line's parts), up to the end mark."""
    order = 0
    with path.open(encoding="utf-8", errors="replace") as file:
        while line := file.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise RecipeError(f"{path}: is damaged: a line has {_LONGEST_LINE} letters or more.")
            parts = line.split()
            if not parts or parts[0] == "\\data\\":
                continue
            if parts[0] == "\\end\\":
                return
            if match := _SECTION.match(parts[0]):
                order = int(match[1])
            else:
                yield order, parts


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and abs(float(text)) < 1e30
    except ValueError:
        return False
