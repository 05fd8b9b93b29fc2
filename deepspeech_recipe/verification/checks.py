"""From what both models returned to checks."""

from collections.abc import Sequence

import numpy as np

from deepspeech_recipe.runtime.decoders.greedy import greedy_text
from deepspeech_recipe.verification.activations import explained_check
from deepspeech_recipe.verification.compare import Comparison, largest
from deepspeech_recipe.verification.report import Check, RecordingResult, counted
from deepspeech_recipe.verification.weights import Limits

_AVERAGE = "the mean over all windows of each one's largest"
Labels = Sequence[bytes] | None


def number_of_windows(comparisons: Sequence[Comparison]) -> Check:
    """As many rows as there are windows."""
    worst = max(comparisons, key=lambda each: abs(each.rows[0] - each.rows[1]))
    found, expected = worst.rows
    detail = f"{worst.name}: the IR returns {found} windows, the original {expected}" if found != expected else ""
    return Check("number of windows", found == expected, abs(found - expected), 0, detail)


def checks_of(comparisons: Sequence[Comparison], limits: Limits, labels: tuple[Labels, Labels]) -> list[Check]:
    """Probabilities, cell and hidden state after 1, 2, 4… chunks, then everything: average, classes and text.

    labels: the original's and the IR's."""
    checks = []
    prefixes = _prefixes(max(len(each.chunks) for each in comparisons))
    for prefix in prefixes:
        checks.append(_probabilities(comparisons, prefix, limits.probabilities))
    for part, what in (("c", "cell state"), ("h", "hidden state")):
        if all(getattr(run, part) is not None for each in comparisons for run in (each.expected, each.found)):
            checks += [_state(comparisons, part, what, prefix, limits.states) for prefix in prefixes]
    average = _mean(_errors(comparisons))
    checks.append(Check("probabilities on average", average <= limits.average, average, limits.average, _AVERAGE))
    checks.append(_classes(comparisons, limits.margin))
    checks.append(_text(comparisons, limits.margin, labels))
    return [*checks, *_activations(comparisons, limits)]


def moved_by_way(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """The largest difference of any probability from what the IR gives in the way that it is judged by."""
    return {way: float(_errors(comparisons, way=way).max(initial=0.0)) for way in comparisons[0].runs}


def _activations(comparisons: Sequence[Comparison], limits: Limits) -> list[Check]:
    moved = moved_by_way(comparisons)
    means = {way: _mean(_errors(comparisons, way=way)) for way in moved}
    checks = explained_check(moved, limits.probabilities), explained_check(means, limits.average, average=True)
    return [check for check in checks if check]


def _mean(errors: np.ndarray) -> float:
    return float(errors.mean()) if errors.size else 0.0


def _prefixes(chunks: int) -> list[int]:
    """1, 2, 4… and all."""
    powers = [1 << power for power in range(chunks.bit_length())]
    return sorted({*(power for power in powers if power < chunks), chunks})


def _after(prefix: int) -> str:
    return f"after {counted(prefix, 'chunk')}"


def _errors(comparisons, prefix: int | None = None, way: str | None = None) -> np.ndarray:
    """The largest difference of each window that counts, in the first chunks of each recording."""
    parts = []
    for each in comparisons:
        count = sum(each.chunks[:prefix])
        parts.append(each.errors(way)[:count][each.valid[:count]])
    return np.concatenate(parts)


def _probabilities(comparisons, prefix: int, limit: float) -> Check:
    worst = float(_errors(comparisons, prefix).max(initial=0.0))
    return Check(f"probabilities {_after(prefix)}", worst <= limit, worst, limit)


def _state(comparisons, part: str, what: str, prefix: int, limit: float) -> Check:
    """In units of the largest state value, if that is above 1."""
    pairs = [(getattr(each.found, part)[:prefix], getattr(each.expected, part)[:prefix]) for each in comparisons]
    scale = max(1.0, *(float(np.abs(expected).max()) for _, expected in pairs))
    worst = max(float(largest(found, expected)) for found, expected in pairs) / scale
    mean = np.mean([np.nan_to_num(np.abs(found - expected), nan=np.inf).mean() for found, expected in pairs]) / scale
    detail = f"mean {mean:.1g}" + (f", in units of {scale:.3g}" if scale > 1 else "")
    return Check(f"{what} {_after(prefix)}", worst <= limit, worst, limit, detail)


def _undecided(probabilities: np.ndarray, margin: float) -> np.ndarray:
    """Whether the two best classes are so close that an allowed difference may exchange them."""
    best = np.partition(probabilities, -2, axis=-1)
    return best[..., -1] - best[..., -2] <= margin


def _classes(comparisons, margin: float) -> Check:
    different = total = close = 0
    for each in comparisons:
        expected = each.expected.probabilities
        differs = (expected.argmax(-1) != each.found.probabilities.argmax(-1)) & each.valid
        open_ = _undecided(expected, margin)
        different += int((differs & ~open_).sum())
        close += int((differs & open_).sum())
        total += int(each.valid.sum())
    detail = f"of {total} windows, {different + close} have another best class"
    if close:
        detail += f", {close} of them where the original is undecided"
    return Check("best class", not different, different, 0, detail)


def _text(comparisons, margin: float, labels: tuple[Labels, Labels]) -> Check:
    different = total = 0
    for each in comparisons:
        for row in range(each.valid.shape[1]):
            expected, found = _rows(each, row)
            # Where an allowed difference decides, the original's class is taken, so that chance fails nobody.
            open_ = _undecided(expected, margin)
            found = np.where(open_[:, None], expected, found)
            different += text_of(expected, labels[0]) != text_of(found, labels[1])
            total += 1
    return Check("text", not different, different, 0, f"of {total} texts, greedy decoding")


def recording_result(each: Comparison, labels: tuple[Labels, Labels]) -> RecordingResult:
    expected, found = _rows(each, 0)
    texts = text_of(found, labels[1]), text_of(expected, labels[0])
    return RecordingResult(each.name, len(expected), len(each.chunks), *texts)


def _rows(each: Comparison, row: int):
    valid = each.valid[:, row]
    return each.expected.probabilities[valid, row], each.found.probabilities[valid, row]


def text_of(probabilities: np.ndarray, labels: Labels) -> str:
    """Greedy text; the numbers of the classes if there is no alphabet."""
    if labels is not None and len(labels) + 1 == probabilities.shape[-1]:
        return greedy_text(probabilities, labels)
    numbers = [f"{number} ".encode() for number in range(probabilities.shape[-1] - 1)]
    return greedy_text(probabilities, numbers).strip()
