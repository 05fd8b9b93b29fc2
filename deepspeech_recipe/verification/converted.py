"""The IR under test: what kind it is, and how it is run over whole sequences."""

import math

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.form import IRForm, compile_model, size_of
from deepspeech_recipe.ir.names import STATE_PAIRS
from deepspeech_recipe.ir.read import read_ir
from deepspeech_recipe.verification.acoustic import Run
from deepspeech_recipe.verification.original import Original, probabilities
from deepspeech_recipe.verification.weights import weights_format


class Converted(IRForm):
    """An IR and its compiled form."""

    def __init__(self, ir, device: str = "CPU"):
        super().__init__(ir, "the model")
        self.device = device
        self.weights = weights_format(self.model)
        self._request = None

    def check_against(self, original: Original) -> None:
        """Raises RecipeError where the two cannot be the same model."""
        pairs = [("classes", self.classes, _classes(original))]
        if self.takes == "windows":
            shape = self.input("input_node").get_partial_shape()
            if shape.rank.get_length() == 3:
                pairs += [("features of a window", size_of(shape[2]), original.window_frames * original.n_input)]
            else:
                pairs += [("window frames", size_of(shape[2]), original.window_frames)]
                pairs += [("features", size_of(shape[3]), original.n_input)]
        if self.state == "external":
            shape = self.input("previous_state_c").get_partial_shape()
            pairs += [("state", size_of(shape[1]), original.hidden_size if original.has_state else None)]
        elif self.metadata.get("hidden_size") and original.has_state:
            pairs += [("state", self.metadata["hidden_size"], original.hidden_size)]
        for what, ours, theirs in pairs:
            if None not in (ours, theirs) and ours != theirs:
                raise RecipeError(
                    f"{self.name}: is not made of {original.source.path}: {what} {ours} in the IR, "
                    f"{theirs} in the model"
                )
        if self.takes != "windows" and original.audio is None:
            raise RecipeError(
                f"{self.name}: takes samples, but {original.source.path} has no feature part: it is another model"
            )
        if not original.has_state and None not in (self.steps, original.steps) and self.steps > original.steps:
            raise RecipeError(
                f"{self.name}: takes {self.steps} windows a call, {original.source.path} takes {original.steps} and "
                "has no state that would lead from one call to the next: they cannot be compared"
            )
        if self.state == "external" and not original.has_state:
            raise RecipeError(f"{self.name}: has a state, {original.source.path} has none: it is another model")

    @property
    def form(self) -> str:
        """State, sizes and lengths, for a person."""
        if self.takes != "windows":
            words = ["samples in blocks" if self.takes == "stream" else "samples of whole utterances"]
        else:
            words = [f"state {self.state}", f"T {self.steps or 'dynamic'}"]
        words += [f"batch {self.batch or 'dynamic'}", f"head {self.head}"]
        return ", ".join([*words, f"input '{self.lengths}'"] if self.lengths else words)

    def feature_model(self):
        """The separate feature model that lies beside the IR, or None.

        Raises RecipeError where the metadata speaks of one and there is none.
        """
        if self.path is None:
            return None
        path = self.path.with_suffix(".audio.xml")
        if not path.exists():
            if self.metadata.get("audio") == "separate":
                raise RecipeError(f"{path}: the feature model is missing. Keep it beside {self.path.name}")
            return None
        return read_ir(path)

    def compile(self, model=None):
        """Compiles for the device, in float32 where it lets one choose."""
        return compile_model(self.model if model is None else model, self.device, self.name)

    def request(self):
        """The one request all utterances go through, as in a program: `reset_state()` must separate them."""
        if self._request is None:
            self._request = self.compile().create_infer_request()
        return self._request

    def run(self, windows: np.ndarray, chunks, lengths=None, start=(None, None)) -> Run:
        """Windows `[B, N, …]` chunk after chunk, as `chain.run_original` does. start: the initial c, h."""
        request = self.request()
        self._reset(request)
        state = [None if part is None else np.resize(part, (len(windows), part.shape[1])) for part in start]
        found, cells, hidden = [], [], []
        begin = 0
        for number, count in enumerate(chunks):
            size = self.steps or count
            for at in range(begin, begin + count, size):
                feeds = {"input_node": windows[:, at : at + size]}
                if self.lengths:
                    feeds[self.lengths] = np.full(len(windows), size) if lengths is None else lengths[number]
                logits, state = self.call(request, feeds, state)
                found.append(logits)
            cells.append(state[0])
            hidden.append(state[1])
            begin += count
        states = (None if each[0] is None else np.stack(each) for each in (cells, hidden))
        return Run(probabilities(np.concatenate(found), self.head), *states)

    def run_samples(self, samples: np.ndarray, lengths=None) -> np.ndarray:
        """Whole utterances `[B, N]` → probabilities `[T, B, classes]`; lengths `[B]` in samples."""
        feeds = {"samples": samples}
        if self.lengths:
            feeds[self.lengths] = np.full(len(samples), samples.shape[1]) if lengths is None else lengths
        return probabilities(self.call(self.request(), feeds, [None, None])[0], self.head)

    def run_stream(self, samples: np.ndarray, blocks) -> np.ndarray:
        """One utterance `[N]` in blocks whose sizes follow each other in turn → probabilities `[T, 1, classes]`."""
        request = self.request()
        self._reset(request)
        found, at, number = [], 0, 0
        while True:
            size = blocks[number % len(blocks)]
            block, at, number = samples[at : at + size], at + size, number + 1
            last = at >= len(samples)
            feeds = {"samples": block[None], "end_of_stream": np.array(last)}
            found.append(self.call(request, feeds, [None, None])[0])
            if last:
                return probabilities(np.concatenate(found), self.head)

    def _reset(self, request) -> None:
        if self.state == "internal":
            request.reset_state()

    def call(self, request, feeds: dict, state):
        if self.state == "external":
            feeds = feeds | dict(zip(STATE_PAIRS, state, strict=True))
        tensors = {}
        for name, value in feeds.items():
            port = self.input(name)
            if name == "input_node" and port.get_partial_shape().rank.get_length() == 3:
                value = value.reshape(*value.shape[:2], -1)
            tensors[port.get_any_name()] = np.asarray(value, dtype=port.get_element_type().to_dtype(), order="C")
        request.infer(tensors)
        # Copies: the tensors are views on memory that the next call writes to.
        logits = self._value(request, "logits")
        if self.state == "external":
            return logits, [self._value(request, name) for name in STATE_PAIRS.values()]
        if self.state == "internal":
            inside = {each.name: each for each in request.query_state()}
            return logits, [inside[name].state.data.copy() if name in inside else None for name in STATE_PAIRS]
        return logits, [None, None]

    def _value(self, request, name: str) -> np.ndarray:
        return request.get_tensor(self.output(name).get_any_name()).data.copy()


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
    chunks, left = [], windows
    while left:
        chunks.append(min(left, (steps, 1, steps + 5)[len(chunks) % 3]))
        left -= chunks[-1]
    return chunks
