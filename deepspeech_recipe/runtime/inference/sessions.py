"""One utterance from samples to probabilities, whatever the IR takes.

Frames and the flush at the end are those of DeepSpeech's client: see `audio.framing`. As there, the network runs when
the windows of a call are complete; that is at the same samples for every kind of IR.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.names import END_OF_STREAM, LOGITS, SAMPLES
from deepspeech_recipe.runtime.inference.acoustic import ChunkedModel, scores
from deepspeech_recipe.runtime.inference.mfcc_frames import LARGEST_CALL, MfccFrames
from deepspeech_recipe.runtime.inference.requests import Requests
from deepspeech_recipe.runtime.inference.windows import Windows


def chunk_lines(audio: AudioSettings, n_context: int, wait: int) -> tuple[int, int]:
    """Samples until the first call of the network, and until each next one; wait: frames to collect before a call."""
    return audio.window_size + (wait - 1 + n_context) * audio.stride, wait * audio.stride


class Session(ABC):
    """One utterance from samples to probabilities. `reset` begins the next one."""

    @abstractmethod
    def reset(self) -> None:
        """Begins an utterance."""

    @abstractmethod
    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Samples `[N]`, which may be written to again afterwards → arrays `[n, classes]` of what is ready."""

    @abstractmethod
    def finish(self) -> Iterator[np.ndarray]:
        """Ends the utterance → the rest. All arrays together have at least one frame."""

    def settled(self) -> Iterator[np.ndarray]:
        """What can be computed of the samples so far and has not been given out: waits for it."""
        return iter(())

    def close(self) -> None:
        """Gives up the utterance and what it holds; `reset` may follow."""
        self.reset()


class WindowSession(Session):
    """An utterance through a feature model and an acoustic model that takes windows."""

    def __init__(self, model: ChunkedModel, mfccs: MfccFrames, n_context: int, n_features: int):
        self._model, self._source, self._sizes = model, mfccs, (n_context, n_features)
        self.reset()

    def reset(self) -> None:
        self._model.reset()
        self._source.reset()
        self._windows = Windows(*self._sizes)

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        for mfccs in self._source.feed(samples):
            yield self._run(mfccs)

    def finish(self) -> Iterator[np.ndarray]:
        yield self._run(self._source.finish(), end=True)

    def _run(self, mfccs: np.ndarray, end: bool = False) -> np.ndarray:
        self._windows.add(mfccs, end)
        windows = self._windows.first(self._windows.count)
        self._windows.drop(len(windows))
        return self._model.run(windows[None])[:, 0]


class StreamSession(Session):
    """An utterance through an IR that takes samples in blocks and keeps all state inside."""

    def __init__(self, ir: AcousticIR, audio: AudioSettings, requests: Requests, wait: int, extra: bool = False):
        """wait: frames to collect before a call."""
        self._ir, self._extra = ir, extra
        self._first, self._step = chunk_lines(audio, ir.metadata["n_context"], wait)
        self._largest = self._step * -(-LARGEST_CALL // wait)
        self._requests, self._own = requests, requests.own()
        self.reset()

    def reset(self) -> None:
        self._own.reset_state()
        self._blocks: list[np.ndarray] = []
        self._count, self._next = 0, self._first

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        self._blocks.append(np.array(samples))
        self._count += len(samples)
        if self._count >= self._next:
            used = self._count - (self._count - self._next) % self._step
            samples = self._joined()
            self._blocks, self._count, self._next = [samples[used:]], self._count - used, self._step
            yield from self._run(samples[:used], end=False)

    def finish(self) -> Iterator[np.ndarray]:
        yield from self._run(self._joined(), end=True)

    def _joined(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, np.float32), *self._blocks])

    def _run(self, samples: np.ndarray, end: bool) -> Iterator[np.ndarray]:
        for at in range(0, max(len(samples), 1), self._largest):
            last = end and at + self._largest >= len(samples)
            yield self._call(samples[at : at + self._largest], last)

    def _call(self, samples: np.ndarray, end: bool) -> np.ndarray:
        def collect(request) -> np.ndarray:
            logits = scores(self._ir.view(request, LOGITS), self._ir)[:, 0]
            if not self._extra:
                return logits
            values = request.get_output_tensor(len(self._ir.model.outputs)).data
            # The model runs one step more than there are windows.
            return values.reshape(-1, values.shape[-1])[: len(logits)].copy()

        feeds = self._ir.feeds({SAMPLES: samples[None], END_OF_STREAM: np.array(end)})
        return self._requests.run(feeds, collect, self._own)


class UtteranceSession(Session):
    """An utterance through an IR that takes whole ones only: the audio is kept until the end."""

    def __init__(self, ir: AcousticIR, requests: Requests):
        self._ir, self._requests = ir, requests
        self.reset()

    def reset(self) -> None:
        self._blocks: list[np.ndarray] = []

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        self._blocks.append(np.array(samples))
        return iter(())

    def finish(self) -> Iterator[np.ndarray]:
        samples = np.concatenate([np.zeros(0, np.float32), *self._blocks])
        batch = self._ir.batch or 1
        feeds = {SAMPLES: np.tile(samples, (batch, 1))}
        if self._ir.lengths:
            feeds[self._ir.lengths] = np.full(batch, len(samples), np.int64)
        yield self._requests.run(
            self._ir.feeds(feeds), lambda request: scores(self._ir.view(request, LOGITS), self._ir)[:, 0]
        )
