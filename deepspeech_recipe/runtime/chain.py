"""Windows through an acoustic model, call after call."""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.passes.names import STATE_PAIRS
from deepspeech_recipe.runtime.ir import IR

# More than every window of a call, in windows and in samples. The CPU plugin computes with 32 bits.
_ALL = 2**30


class Chain:
    """One utterance, or a batch of them, with its own inference request and state."""

    def __init__(self, ir: IR, compiled, rows: int = 1, extra: bool = False):
        """extra: give the model's last output instead of `logits`."""
        if ir.batch is not None and rows > ir.batch:
            raise RecipeError(f"{ir.name}: takes a batch of {ir.batch}, not of {rows}.")
        self._ir, self._rows = ir, rows
        self._batch = ir.batch or rows
        self._extra = extra
        self._request = compiled.create_infer_request()
        self._names = {name: ir.input(name).get_any_name() for name in ("input_node", *_states(ir))}
        if ir.lengths:
            self._names[ir.lengths] = ir.input(ir.lengths).get_any_name()
        self._outputs = {name: ir.output(STATE_PAIRS[name]).get_any_name() for name in _states(ir)}
        self._logits = ir.output("logits").get_any_name()
        self.reset()

    def reset(self) -> None:
        """Begins an utterance."""
        if self._ir.state == "internal":
            self._request.reset_state()
        self._state = {
            name: np.zeros((self._batch, self._ir.input(name).get_partial_shape()[1].get_length()), np.float32)
            for name in _states(self._ir)
        }

    def whole(self, count: int) -> int:
        """How many of so many windows fill whole calls."""
        return count - count % self._ir.steps if self._ir.steps else count

    def steps(self, least: int) -> int:
        """A multiple of the model's steps that is not less."""
        return -(-least // self._ir.steps) * self._ir.steps if self._ir.steps else least

    def run(self, windows: np.ndarray) -> np.ndarray:
        """Windows `[rows, n, frames, features]`, n at least 1 → `[n, rows, classes]`.

        Where the model has a fixed number of steps, n is a multiple of it, except in the last call.
        """
        rows, count = windows.shape[:2]
        size = self._ir.steps or count
        found = []
        for at in range(0, count, size):
            chunk = windows[:, at : at + size]
            used = chunk.shape[1]
            missing = (self._batch - rows, (self._ir.steps or used) - used)
            if any(missing):
                chunk = np.pad(chunk, [(0, missing[0]), (0, missing[1]), (0, 0), (0, 0)])
            found.append(self._call(chunk)[:used])
        return np.concatenate(found)

    def _call(self, windows: np.ndarray) -> np.ndarray:
        feeds = {"input_node": np.ascontiguousarray(windows), **self._state}
        if self._ir.lengths:
            feeds[self._ir.lengths] = np.full(self._batch, _ALL, np.int64)
        self._request.infer({self._names[name]: value for name, value in feeds.items()})
        # Copies: the tensors are views on memory that the next call overwrites.
        for name, output in self._outputs.items():
            self._state[name] = self._request.get_tensor(output).data.copy()
        if self._extra:
            values = self._request.get_output_tensor(len(self._ir.model.outputs)).data
            return values.reshape(windows.shape[1], 1, -1).copy()
        return scores(self._request.get_tensor(self._logits).data, self._ir)[:, : self._rows]


def scores(logits: np.ndarray, ir: IR) -> np.ndarray:
    """A copy as probabilities, whatever the head."""
    if not ir.raw:
        return logits.copy()
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _states(ir: IR):
    return STATE_PAIRS if ir.state == "external" else ()
