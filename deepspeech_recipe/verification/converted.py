"""The IR under test: what kind it is, and how it is run over whole sequences."""

import math
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.model import size_of
from deepspeech_recipe.ir.names import END_OF_STREAM, EXTERNAL, LOGITS, SAMPLES, STATE_C, STATE_H, STATE_PAIRS, WINDOWS
from deepspeech_recipe.ir.read import read_ir
from deepspeech_recipe.ir.runner import StatefulModel
from deepspeech_recipe.verification.acoustic import Run
from deepspeech_recipe.verification.original import Original, probabilities
from deepspeech_recipe.verification.weights import weights_format


class Converted(AcousticIR):
    """The IR under test."""

    def __init__(self, ir, device: str = "CPU"):
        super().__init__(ir, "the model")
        self.device = device
        self.weights = weights_format(self.model)
        self._compiled: StatefulModel | None = None

    def check_against(self, original: Original) -> None:
        """Raises RecipeError if the two cannot be the same model."""
        pairs = [("classes", self.classes, _classes(original))]
        if self.input_kind == "windows":
            if len(self.shape) == 3:
                pairs += [("features of a window", self.shape[2], original.window_frames * original.n_input)]
            else:
                pairs += [("window frames", self.shape[2], original.window_frames)]
                pairs += [("features", self.shape[3], original.n_input)]
        if self.state == EXTERNAL:
            shape = self.input(STATE_C).get_partial_shape()
            pairs += [("state", size_of(shape[1]), original.hidden_size if original.has_state else None)]
        elif self.metadata.get("hidden_size") and original.has_state:
            pairs += [("state", self.metadata["hidden_size"], original.hidden_size)]
        for what, ours, theirs in pairs:
            if None not in (ours, theirs) and ours != theirs:
                raise RecipeError(
                    f"{self.name}: is not made of {original.source.path}: {what} {ours} in the IR, "
                    f"{theirs} in the model"
                )
        if self.input_kind != "windows" and original.audio is None:
            raise RecipeError(
                f"{self.name}: takes samples, but {original.source.path} has no feature part: it is another model"
            )
        if not original.has_state and self.steps and original.steps and self.steps > original.steps:
            raise RecipeError(
                f"{self.name}: takes {self.steps} windows a call, {original.source.path} takes {original.steps} and "
                "has no state that would lead from one call to the next: they cannot be compared"
            )
        if self.state == EXTERNAL and not original.has_state:
            raise RecipeError(f"{self.name}: has a state, {original.source.path} has none: it is another model")

    @property
    def form(self) -> str:
        """State, sizes and lengths, for a person."""
        if self.input_kind != "windows":
            words = ["samples in blocks" if self.input_kind == "stream" else "samples of whole utterances"]
        else:
            words = [f"state {self.state}", f"T {self.steps or 'dynamic'}"]
        words += [f"batch {self.batch or 'dynamic'}", f"head {self.head}"]
        return ", ".join([*words, f"input '{self.lengths}'"] if self.lengths else words)

    def feature_model(self):
        """The separate feature model that lies beside the IR, or None.

        Raises RecipeError if the metadata speaks of one and there is none.
        """
        path = self.feature_path
        if path is None or path.exists():
            return None if path is None else read_ir(path)
        if self.metadata.get("audio") == "separate":
            raise RecipeError(f"{path}: the feature model is missing. Keep it beside {Path(self.name).name}")
        return None

    def given_states(self, state) -> dict[str, np.ndarray]:
        """(c, h) by the names of the inputs, if the IR's state is external."""
        return dict(zip(STATE_PAIRS, state, strict=True)) if self.state == EXTERNAL else {}

    def run(self, windows: np.ndarray, chunks, lengths=None, start=(None, None)) -> Run:
        """Windows `[B, N, …]` chunk after chunk, as `acoustic.run_original` does. start: the initial c, h."""
        rows = len(windows)
        model = self._begin([None if part is None else np.resize(part, (rows, part.shape[1])) for part in start])
        if len(self.shape) == 3:  # v0.1's windows are flat
            windows = windows.reshape(rows, windows.shape[1], -1)
        found, states = [], []
        begin = 0
        for number, count in enumerate(chunks):
            size = self.steps or count
            for at in range(begin, begin + count, size):
                feeds = {WINDOWS: windows[:, at : at + size]}
                if self.lengths:
                    feeds[self.lengths] = np.full(rows, size) if lengths is None else lengths[number]
                found.append(model(feeds)[LOGITS])
            states.append(model.states)
            begin += count
        c, h = (np.stack([each[name] for each in states]) if name in states[0] else None for name in (STATE_C, STATE_H))
        return Run(probabilities(np.concatenate(found), self.head), c, h)

    def run_samples(self, samples: np.ndarray, lengths=None) -> np.ndarray:
        """Whole utterances `[B, N]` → probabilities `[T, B, classes]`; lengths `[B]` in samples."""
        feeds = {SAMPLES: samples}
        if self.lengths:
            feeds[self.lengths] = np.full(len(samples), samples.shape[1]) if lengths is None else lengths
        return probabilities(self._begin()(feeds)[LOGITS], self.head)

    def run_stream(self, samples: np.ndarray, blocks) -> np.ndarray:
        """One utterance `[N]` in blocks whose sizes follow each other in turn → probabilities `[T, 1, classes]`."""
        model, found, at, number = self._begin(), [], 0, 0
        while True:
            size = blocks[number % len(blocks)]
            block, at, number = samples[at : at + size], at + size, number + 1
            last = at >= len(samples)
            found.append(model({SAMPLES: block[None], END_OF_STREAM: np.array(last)})[LOGITS])
            if last:
                return probabilities(np.concatenate(found), self.head)

    def _begin(self, state=(None, None)) -> StatefulModel:
        """The one model that all utterances go through, as in a program: `reset` must separate them."""
        if self._compiled is None:
            self._compiled = StatefulModel(self, device=self.device)
        self._compiled.reset(states=self.given_states(state))
        return self._compiled


def _classes(original: Original) -> int | None:
    """The width of the last weights before `logits`."""
    view = original.view
    for node in view.ancestors(original.logits):
        if node.op == "MatMul" and (weights := view.value(node.inputs[1])) is not None:
            return weights.shape[0 if node.attribute("transpose_b", False) else 1]
    return None


def chunk_plan(original: Original, ir: Converted, windows: int) -> list[int]:
    """Sizes of the chunks after which both are compared; they add up to `windows` or, where T is fixed, a little
    more. A dynamic T gets chunks of different sizes."""
    steps = original.steps or 16
    any_size = original.steps is None or original.lengths is not None
    if ir.steps is not None:
        size = ir.steps if any_size else math.lcm(ir.steps, steps)
        return [size] * -(-windows // size)
    if not any_size or not original.has_state:
        return [steps] * -(-windows // steps)
    chunks: list[int] = []
    left = windows
    while left:
        chunks.append(min(left, (steps, 1, steps + 5)[len(chunks) % 3]))
        left -= chunks[-1]
    return chunks
