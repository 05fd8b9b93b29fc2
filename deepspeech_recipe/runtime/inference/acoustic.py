"""Windows through an acoustic model, call after call."""

from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.names import INTERNAL, LOGITS, WINDOWS
from deepspeech_recipe.runtime.inference.requests import Requests

# More than every window of a call, in windows and in samples. The CPU plugin computes with 32 bits.
_ALL = 2**30


class StatefulCall:
    """Calls an acoustic model. The caller keeps an external state; an internal one is that of one utterance."""

    def __init__(self, ir: AcousticIR, requests: Requests, extra: bool = False):
        """extra: give the model's last output instead of `logits`."""
        self._ir, self._extra = ir, extra
        self._requests = requests
        self._own = requests.own() if ir.state == INTERNAL else None

    def begin(self, rows: int) -> dict[str, np.ndarray]:
        """The state `[rows, H]` before an utterance, by the names of the inputs: the model's own, or zeros."""
        if self._own is not None:
            self._own.reset_state()
        return {name: values[:rows] for name, values in self._ir.first_states(rows).items()}

    def __call__(self, windows: np.ndarray, state: dict[str, np.ndarray]):
        """Windows `[rows, n, frames, features]` → (probabilities `[n, rows, classes]`, the state afterwards).

        Padded with zeros to what the model takes; if n is less, the state is of no use.
        """
        return self.start(windows, state).result()

    def start(self, windows: np.ndarray, state: dict[str, np.ndarray]) -> Future:
        """A call that is not waited for."""
        rows, count = windows.shape[:2]
        missing = ((self._ir.batch or rows) - rows, (self._ir.steps or count) - count)
        if any(missing):
            windows = np.pad(windows, [(0, missing[0]), (0, missing[1]), (0, 0), (0, 0)])
            state = {name: np.pad(values, [(0, missing[0]), (0, 0)]) for name, values in state.items()}
        feeds = {WINDOWS: windows, **state}
        if self._ir.lengths:
            feeds[self._ir.lengths] = np.full(len(windows), _ALL, np.int64)

        def collect(request):
            after = self._ir.new_states(request, rows)
            if self._extra:
                values = request.get_output_tensor(len(self._ir.model.outputs)).data
                return values.reshape(windows.shape[1], 1, -1)[:count].copy(), after
            return scores(self._ir.view(request, LOGITS)[:count, :rows], self._ir), after

        return self._requests.start(self._ir.feeds(feeds), collect, self._own)


def stacked(parts: Sequence[np.ndarray], states: Sequence[dict[str, np.ndarray]], size: int) -> tuple:
    """Windows `[n, frames, features]` and states `[H]` of several utterances as a call takes them.

    size: windows of the call. Only the last ones of an utterance are fewer; nobody needs the state behind them.
    """
    batch = np.stack([np.pad(part, [(0, size - len(part)), (0, 0), (0, 0)]) for part in parts])
    return batch, {name: np.stack([each[name] for each in states]) for name in states[0]}


class ChunkedModel:
    """Runs an utterance, or a batch of them, through an acoustic model in chunks, and carries its state."""

    def __init__(self, ir: AcousticIR, requests: Requests, rows: int = 1, extra: bool = False):
        """extra: give the model's last output instead of `logits`."""
        if ir.batch is not None and rows > ir.batch:
            raise RecipeError(f"{ir.name}: takes a batch of {ir.batch}, not of {rows}.")
        self._steps, self._rows = ir.steps, rows
        self._network = StatefulCall(ir, requests, extra)
        self.reset()

    def reset(self) -> None:
        """Begins an utterance."""
        self._state = self._network.begin(self._rows)

    def run(self, windows: np.ndarray) -> np.ndarray:
        """Windows `[rows, n, frames, features]`, n at least 1 → `[n, rows, classes]`.

        If the model has a fixed number of steps, n is a multiple of it, except in the last call.
        """
        size = self._steps or windows.shape[1]
        return np.concatenate([self._call(windows[:, at : at + size]) for at in range(0, windows.shape[1], size)])

    def _call(self, windows: np.ndarray) -> np.ndarray:
        found, self._state = self._network(windows, self._state)
        return found


def whole_calls(ir: AcousticIR, windows: int) -> int:
    """A multiple of the steps of a call that is not less than that many windows."""
    return -(-windows // ir.steps) * ir.steps if ir.steps else windows


def scores(logits: np.ndarray, ir: AcousticIR) -> np.ndarray:
    """Probabilities of what `logits` holds, whatever the head; always a copy."""
    if not ir.raw:
        return logits.copy()
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
