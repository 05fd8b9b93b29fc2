"""One utterance from samples to probabilities, whatever the IR takes: `feed`, `finish`, `reset`.

Frames and the flush at the end are those of DeepSpeech's client: see `audio.framing`.
"""

from collections.abc import Iterator

import numpy as np

from deepspeech_recipe.runtime.chain import Chain, scores
from deepspeech_recipe.runtime.ir import IR
from deepspeech_recipe.runtime.mfcc_frames import LARGEST_CALL, MfccFrames


class WindowSession:
    """MFCC frames, context windows, and an acoustic model that takes windows."""

    def __init__(self, chain: Chain, mfccs: MfccFrames, n_context: int):
        self._chain, self._source, self._context = chain, mfccs, n_context
        self.reset()

    def reset(self) -> None:
        self._chain.reset()
        self._mfccs = np.zeros((self._context, self._source.reset()), np.float32)

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Samples `[N]` → arrays `[n, classes]` of what is complete."""
        for mfccs in self._source.feed(samples):
            yield from self._push(mfccs)

    def finish(self) -> Iterator[np.ndarray]:
        """Ends the utterance → the rest, at least one frame."""
        for mfccs in self._source.finish():
            yield from self._push(mfccs)
        yield from self._push(self._mfccs[:0], end=True)

    def _push(self, mfccs: np.ndarray, end: bool = False) -> Iterator[np.ndarray]:
        beyond = np.zeros((self._context if end else 0, mfccs.shape[1]), np.float32)
        self._mfccs = np.concatenate([self._mfccs, mfccs, beyond])
        count = max(0, len(self._mfccs) - 2 * self._context)
        if not end:
            count = self._chain.whole(count)
        windows = context_windows(self._mfccs, self._context)[:count]
        self._mfccs = self._mfccs[count:]
        if count:
            yield self._chain.run(windows[None])[:, 0]


class StreamSession:
    """An IR that takes samples in blocks and keeps all state inside."""

    def __init__(self, ir: IR, compiled, wait: int, extra: bool = False):
        self._ir, self._extra = ir, extra
        self._wait = wait * ir.audio.stride if ir.audio else wait * 320
        self._largest = self._wait * -(-LARGEST_CALL // wait)
        self._request = compiled.create_infer_request()
        self._names = {name: ir.input(name).get_any_name() for name in ("samples", "end_of_stream")}
        self._logits = ir.output("logits").get_any_name()
        self.reset()

    def reset(self) -> None:
        self._request.reset_state()
        self._blocks: list[np.ndarray] = []
        self._count = 0

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        self._blocks.append(np.array(samples))
        self._count += len(samples)
        if self._count >= self._wait:
            yield from self._run(end=False)

    def finish(self) -> Iterator[np.ndarray]:
        yield from self._run(end=True)

    def _run(self, end: bool) -> Iterator[np.ndarray]:
        samples = np.concatenate([np.zeros(0, np.float32), *self._blocks])
        self._blocks, self._count = [], 0
        for at in range(0, max(len(samples), 1), self._largest):
            last = end and at + self._largest >= len(samples)
            yield self._call(samples[at : at + self._largest], last)

    def _call(self, samples: np.ndarray, end: bool) -> np.ndarray:
        self._request.infer({self._names["samples"]: samples[None], self._names["end_of_stream"]: np.array(end)})
        logits = scores(self._request.get_tensor(self._logits).data, self._ir)[:, 0]
        if not self._extra:
            return logits
        values = self._request.get_output_tensor(len(self._ir.model.outputs)).data
        # The model runs one step more than there are windows.
        return values.reshape(-1, values.shape[-1])[: len(logits)].copy()


class UtteranceSession:
    """An IR that takes whole utterances only: the audio is kept until the end."""

    def __init__(self, ir: IR, compiled, extra: bool = False):
        self._ir, self._extra = ir, extra
        self._request = compiled.create_infer_request()
        self.reset()

    def reset(self) -> None:
        self._blocks: list[np.ndarray] = []

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        self._blocks.append(np.array(samples))
        return iter(())

    def finish(self) -> Iterator[np.ndarray]:
        samples = np.concatenate([np.zeros(0, np.float32), *self._blocks])
        batch = self._ir.batch or 1
        feeds = {self._ir.input("samples").get_any_name(): np.tile(samples, (batch, 1))}
        if self._ir.lengths:
            feeds[self._ir.input(self._ir.lengths).get_any_name()] = np.full(batch, len(samples), np.int64)
        self._request.infer(feeds)
        yield scores(self._request.get_tensor(self._ir.output("logits").get_any_name()).data, self._ir)[:, 0]


def context_windows(mfccs: np.ndarray, n_context: int) -> np.ndarray:
    """`[n + 2·n_context, features]` → a view `[n, 2·n_context + 1, features]`."""
    size = 2 * n_context + 1
    if len(mfccs) < size:
        return np.zeros((0, size, mfccs.shape[1]), np.float32)
    return np.lib.stride_tricks.sliding_window_view(mfccs, size, axis=0).swapaxes(1, 2)
