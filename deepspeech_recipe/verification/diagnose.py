"""diagnose: the first tensor in which an IR differs from its original, stage by stage."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from deepspeech_recipe.ir.layers import FEATURES
from deepspeech_recipe.ir.metadata import is_acoustic
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.names import LSTM
from deepspeech_recipe.sources import LoadedModel, open_model
from deepspeech_recipe.verification.activations import default_precision_note
from deepspeech_recipe.verification.checks import moved_by_way
from deepspeech_recipe.verification.compare import Comparison
from deepspeech_recipe.verification.metadata import check_metadata
from deepspeech_recipe.verification.pair import AcousticPair
from deepspeech_recipe.verification.report import Check
from deepspeech_recipe.verification.stages import (
    CELL,
    HEAD,
    HIDDEN,
    INITIAL,
    Stage,
    compared,
    difference,
    late_by,
    layers_of,
    lost_between_calls,
    rounding_stages,
    stages_of,
)  # fmt: skip
from deepspeech_recipe.verification.stateful import judged_by
from deepspeech_recipe.verification.stateful_trace import compare_tensors

# In units of the largest value of the stage, if that is above 1. IRs of 8 bits are compared with what they rounded.
LIMITS = {"fp32": 5e-5, "fp16": 1e-2, "int8": 5e-5}
FRAMES = "frames"


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found: the first stage that differs, if any.

    place: the recording and the first chunk in which a stage differs, or all that was compared. stages: the
    differences there. first: the first stage that differs, or None. advice: what may be the cause. notes: lines for a
    person.
    """

    model: str
    ir: str
    device: str
    weights: str
    place: str
    stages: tuple[Stage, ...]
    first: str | None
    advice: str = ""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no stage differs."""
        return self.first is None

    @property
    def exit_code(self) -> int:
        """0, or 1 if a stage differs."""
        return 0 if self.passed else 1

    def as_dict(self) -> dict:
        """For JSON."""
        return {"passed": self.passed, **asdict(self)}

    def lines(self) -> list[str]:
        """For a person."""
        head = f"{self.ir} against {self.model}; device {self.device}; weights {self.weights}"
        end = f"first difference: {self.first}" if self.first else "no stage differs"
        lines = [head, self.place, *(stage.line() for stage in self.stages), *self.notes, end]
        return [*lines, self.advice] if self.advice else lines


def diagnose(
    model: str | os.PathLike | LoadedModel,
    ir,
    *,
    audio=(),
    device: str = "CPU",
    recipe: str | os.PathLike | None = None,
) -> Diagnosis:
    """Finds the first tensor in which an IR differs from the model it was made of. The arguments are those of `verify`.

    Both run as `verify` runs them. The original runs in numpy (float64); that of another recipe than DeepSpeech's in
    TensorFlow, with random inputs. Raises RecipeError as `verify` does, or if the IR's stages cannot be told apart.
    """
    source = model if isinstance(model, LoadedModel) else open_model(model)
    opened = IR(ir, "the model")
    if not is_acoustic(opened.metadata):
        return _by_tensors(source, opened, device)
    pair = AcousticPair(source, opened, audio=audio, device=device, recipe=recipe, layers=True)
    labels = str(source.path), pair.converted.name, device, pair.converted.weights
    worst: dict[str, Stage] = {}
    places = []
    moved: dict[str, float] = {}

    def comparisons() -> Iterator[Comparison]:
        for each in pair.comparisons():
            if each.rows[0] == each.rows[1]:
                moved.update({way: max(error, moved.get(way, 0.0)) for way, error in moved_by_way([each]).items()})
            yield each

    for place, stages, first, advice in _places(pair, comparisons()):
        if first is not None:
            return Diagnosis(*labels, place, tuple(stages), first, advice)
        worst |= {each.name: each for each in stages if each.error >= worst.get(each.name, each).error}
        places.append(place.split(",")[0])
    first, advice = _failed(*pair.stored, check_metadata(pair.original, pair.converted, recipe).check)
    place = f"{', '.join(dict.fromkeys(places))}: the largest differences"
    return Diagnosis(*labels, place, tuple(worst.values()), first, advice, default_precision_note(moved, device))


def _places(
    pair: AcousticPair, comparisons: Iterable[Comparison]
) -> Iterator[tuple[str, list[Stage], str | None, str]]:
    """Yields (recording and chunk, its stages, the one at fault or None, advice)."""
    limit = LIMITS[pair.converted.weights]
    for name, expected, found in pair.features():
        place = f"{name}, separate feature model"
        if len(expected) != len(found):
            advice = "The feature model frames the samples in another way."
            yield place, [_frames(len(found), len(expected))], FRAMES, advice
        ours, theirs = (each.reshape(len(each), 1, -1) for each in (found, expected))
        stage = compared(FEATURES, ours, theirs, limit)
        yield place, [stage], None if stage.passed else FEATURES, "" if stage.passed else _ADVICE[FEATURES]
    for comparison in comparisons:
        if comparison.rows[0] != comparison.rows[1]:
            yield comparison.name, [_frames(*comparison.rows)], FRAMES, _which_frames(comparison, limit)
        for chunk, _, stages in stages_of(comparison, limit):
            place = f"{comparison.name}, chunk {chunk}"
            failed = [stage.name for stage in stages if not stage.passed]
            yield place, stages, *(_attribute(failed[0], comparison, limit) if failed else (None, ""))
        stages = rounding_stages(comparison, limit)
        failed = [stage.name for stage in stages if not stage.passed]
        yield comparison.name, stages, failed[0] if failed else None, _ROUNDED if failed else ""


def _by_tensors(source: LoadedModel, ir: IR, device: str) -> Diagnosis:
    """Any other model: tensor by tensor, by name."""
    judged = judged_by(source, ir)
    labels = str(source.path), ir.name, device, judged.weights
    worst: dict[str, Stage] = {}
    for call, tensors in compare_tensors(judged, ir, device):
        stages = []
        for name, values in tensors.items():
            expected, found = values
            same = found.shape == expected.shape
            expected, found = expected.reshape(1, 1, -1), found.reshape(1, 1, -1) if same else found[None]
            stage = compared(name, found, expected, judged.limit)
            stages.append(replace(stage, at={key: stage.at[key] for key in ("index", "values") if key in stage.at}))
        failed = [stage.name for stage in stages if not stage.passed]
        if failed:
            advice = "The first call agrees: is the state lost, or exchanged with another?" if call > 1 else ""
            return Diagnosis(*labels, f"random inputs, call {call}", tuple(stages), failed[0], advice)
        worst |= {each.name: each for each in stages if each.error >= worst.get(each.name, each).error}
    first, advice = _failed(judged.check)
    return Diagnosis(*labels, "random inputs: the largest differences", tuple(worst.values()), first, advice)


def _failed(*checks: Check | None) -> tuple[str | None, str]:
    """The first check that failed, though no number differs: its name and what it says."""
    wrong = next((check for check in checks if check is not None and not check.passed), None)
    return (wrong.name, f"{wrong.detail}.") if wrong is not None else (None, "")


def _frames(found: int, expected: int) -> Stage:
    return Stage(FRAMES, False, abs(found - expected), 0, 1, {}, expected, found)


def _which_frames(comparison: Comparison, limit: float) -> str:
    """Where windows are lost or too many."""
    found, expected = comparison.rows
    less = f"The IR returns {found} windows, the original {expected}"
    for name, (theirs, ours) in layers_of(comparison).items():
        if name != HEAD and len(ours) != len(theirs):
            return f"{less}, from {name} on."
    ours, theirs = comparison.found.probabilities, comparison.expected.probabilities
    count = min(found, expected)
    for part, end in ((slice(count), "last"), (slice(-count, None), "first")):
        if difference(ours[part], theirs[part]).max(initial=0) <= limit:
            return f"{less}: the {end} differ; the layers have as many."
    return f"{less}; the layers have as many."


def _attribute(first: str, comparison: Comparison, limit: float) -> tuple[str, str]:
    """The stage at fault, and what the place says."""
    if first == LSTM and lost_between_calls(comparison, limit):
        return INITIAL, (
            "From the state that begins an utterance the LSTM agrees, from the state of a later call it does not: the "
            "states are exchanged, or lost between calls."
        )
    if first == HEAD and (late := late_by(comparison, limit)):
        place = "before" if late > 0 else "behind"
        return FRAMES, f"The layers agree, and the probabilities are those of the window {abs(late)} {place}."
    return first, _ADVICE.get(first, "")


_ROUNDED = "With activations in fp32 the IR agrees; this device computes it wrongly where it rounds them."
_STATE = "The LSTM's output agrees and its state does not: are cell state and hidden state exchanged?"
_ADVICE = {
    FEATURES: "The feature part differs: sample rate, window, frequency limits, or the framing of the samples.",
    INITIAL: "The states do not begin with what the graph says.",
    LSTM: "The dense layers agree and the LSTM does not: order of the gates, forget bias, or its weights.",
    CELL: _STATE,
    HIDDEN: _STATE,
    HEAD: "The raw scores agree and the probabilities do not: the axis of the softmax, or a head that is not what the "
    "metadata says.",
}
