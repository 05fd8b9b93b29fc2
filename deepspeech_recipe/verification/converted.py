"""The IR under test: what kind it is, and how it is run over whole sequences."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.layers import layer_ends
from deepspeech_recipe.ir.model import IR, size_of
from deepspeech_recipe.ir.names import END_OF_STREAM, EXTERNAL, LOGITS, SAMPLES, STATE_C, STATE_H, WINDOWS
from deepspeech_recipe.ir.read import read_ir
from deepspeech_recipe.ir.runner import StatefulModel, errors_of
from deepspeech_recipe.verification.acoustic import Run
from deepspeech_recipe.verification.activations import AS_IT_IS, ROUNDED, config_of, round_activations, ways_of
from deepspeech_recipe.verification.original import Original, probabilities
from deepspeech_recipe.verification.report import counted
from deepspeech_recipe.verification.weights import weights_format


class Converted(AcousticIR):
    """The IR under test. weights: their format. ways: how it is run (`activations`)."""

    def __init__(self, ir, device: str = "CPU", *, layers: bool = False):
        """layers: whether the values of layers are asked for. Raises RecipeError, then too if they are not found."""
        super().__init__(ir, "the model")
        self.device = device
        self.weights = weights_format(self.model)
        self.ways = ways_of(self.model, self.weights, device)
        self._layers = tuple(layer_ends(self.model)) if layers else ()
        self._compiled: dict[str, StatefulModel] = {}

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
        if self.input_kind != "windows" and original.sample_rate is None:
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

    def run(self, windows: np.ndarray, chunks, lengths=None, way: str = AS_IT_IS) -> Run:
        """Windows `[B, N, …]` chunk after chunk, as `acoustic.run_original` does. way: of `activations.ways_of`."""
        rows = len(windows)
        if len(self.shape) == 3:  # v0.1's windows are flat
            windows = windows.reshape(rows, windows.shape[1], -1)
        call, calls, states = self._begin(way, rows), [], []
        begin = 0
        for number, count in enumerate(chunks):
            size = self.steps or count
            for at in range(begin, begin + count, size):
                feeds = {WINDOWS: windows[:, at : at + size]}
                if self.lengths:
                    feeds[self.lengths] = np.full(rows, size) if lengths is None else lengths[number]
                calls.append(call(feeds))
            states.append(self._compiled[way].states)
            begin += count
        c, h = (np.stack([each[name] for each in states]) if name in states[0] else None for name in (STATE_C, STATE_H))
        return self._joined(calls, c, h)

    def run_samples(self, samples: np.ndarray, lengths: np.ndarray, way: str = AS_IT_IS) -> Run:
        """Whole utterances `[B, N]`; lengths `[B]` in samples."""
        feeds = {SAMPLES: samples} | ({self.lengths: lengths} if self.lengths else {})
        return self._joined([self._begin(way, len(samples))(feeds)])

    def run_stream(self, samples: np.ndarray, blocks, way: str = AS_IT_IS) -> Run:
        """One utterance `[N]` in blocks whose sizes follow each other in turn."""
        call, calls, at = self._begin(way, 1), [], 0
        for size in itertools.cycle(blocks):
            block, at = samples[at : at + size], at + size
            calls.append(call({SAMPLES: block[None], END_OF_STREAM: np.array(at >= len(samples))}))
            if at >= len(samples):
                break
        return self._joined(calls)

    def _joined(self, calls: list[dict], c=None, h=None) -> Run:
        """A streaming IR runs a step even if none is due: layers of calls without rows are left out."""
        rows = [call for call in calls if len(call[LOGITS])]
        layers = {name: [call[name] for call in rows] for name in self._layers}
        found = probabilities(np.concatenate([call[LOGITS] for call in calls]), self.head)
        return Run(found, c, h, layers, tuple(len(call[LOGITS]) for call in rows), self._first)

    def _begin(self, way: str, rows: int) -> Callable[[dict], dict]:
        """The one model that all utterances go through, as in a program: `reset` must separate them."""
        if way not in self._compiled:
            self._compiled[way] = self._compile(way)
        model = self._compiled[way]
        model.reset(rows)
        self._first = self._first_states(rows)

        def call(feeds: dict) -> dict:
            with errors_of(self.name):
                found = model(feeds)
            if found[LOGITS].ndim != 3 or found[LOGITS].shape[1] != rows:
                raise RecipeError(
                    f"{self.name}: returns '{LOGITS}' {[*found[LOGITS].shape]} for {counted(rows, 'utterance')}, where "
                    f"[windows, {rows}, classes] was looked for: it is damaged. Convert the model again"
                )
            return found

        return call

    def _first_states(self, rows: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """What a program is told to begin with, or what the IR itself begins with."""
        begin = self.first_states(rows)
        for node in self.model.get_ops():
            if node.get_type_name() == "ReadValue" and node.get_input_size():
                value = node.input_value(0).get_node()
                if value.get_type_name() == "Constant":
                    begin[node.get_attributes()["variable_id"]] = value.get_data()
        return begin.get(STATE_C), begin.get(STATE_H)

    def _compile(self, way: str) -> StatefulModel:
        model = self.model.clone()
        ends = layer_ends(model) if self._layers else {}
        if way == ROUNDED:
            round_activations(model)
        return StatefulModel(IR(model, self.name), device=self.device, config=config_of(way, self.device), extra=ends)


def _classes(original: Original) -> int | None:
    """The width of the last weights before `logits`."""
    view = original.view
    for node in view.ancestors(original.logits):
        if node.op == "MatMul" and (weights := view.value(node.inputs[1])) is not None:
            return weights.shape[0 if node.attribute("transpose_b", False) else 1]
    return None
