"""Speech recognition with an IR of the contract, of any kind."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from deepspeech_recipe.alphabet import read_alphabet
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.metadata import PATH, read_metadata
from deepspeech_recipe.ir.names import LOGITS, NO_STATE
from deepspeech_recipe.ir.options import FULL_PRECISION, Precision
from deepspeech_recipe.ir.read import read_ir
from deepspeech_recipe.ir.runner import check_precision, compile_model, errors_of
from deepspeech_recipe.runtime.batching.queue import BatchQueue
from deepspeech_recipe.runtime.batching.rows import ROWS, Heard, hear, one_by_one, open_rows
from deepspeech_recipe.runtime.batching.session import BatchedSession
from deepspeech_recipe.runtime.batching.utterances import through_samples
from deepspeech_recipe.runtime.batching.worker import Batcher
from deepspeech_recipe.runtime.checks import audio_of, check_shared, labels_of
from deepspeech_recipe.runtime.decoders.greedy import Greedy
from deepspeech_recipe.runtime.decoders.lm import ScorerSearch
from deepspeech_recipe.runtime.frame_features import frames as frame_features
from deepspeech_recipe.runtime.inference.acoustic import ChunkedModel, StatefulCall, whole_calls
from deepspeech_recipe.runtime.inference.expose_state import expose_state
from deepspeech_recipe.runtime.inference.mfcc_frames import LARGEST_CALL, MfccFrames
from deepspeech_recipe.runtime.inference.requests import Requests
from deepspeech_recipe.runtime.inference.sessions import StreamSession, UtteranceSession, WindowSession, chunk_lines
from deepspeech_recipe.runtime.recordings.samples import as_samples, pieces
from deepspeech_recipe.runtime.result import Hypothesis, Result, Texts
from deepspeech_recipe.runtime.stream import Stream

# As DeepSpeech's exported graphs: the weights are read once for that many frames.
CHUNK_FRAMES = 16
_OPEN_ROWS = "open rows"  # the requests of the model for any number of rows


class Recognizer:
    """Turns audio into text with an IR. Every setting comes from the IR's metadata.

    - ir: the path of an .xml, an ov.Model, or an opened IR (`ir.model`).
    - decoder: `Greedy()` (default), `Beam()` or `Scorer("kenlm.scorer")`.
    - device: OpenVINO's. config: OpenVINO's, for compiling.
    - precision: in what the network computes, 'f32', or 'bf16' or 'f16' if the device can; MFCCs stay in f32.
    - alphabet: an alphabet.txt, for an IR that has none in its metadata.
    - max_batch: up to that many streams share one call of the network, which waits for further streams for max_delay
      seconds at most; None: every stream has calls of its own. The results are the same. on_batch: gets the number of
      streams in each shared call, in the thread that makes it.

    Usable from several threads at once. Raises RecipeError if the IR or the decoder do not fit.
    """

    def __init__(
        self,
        ir,
        decoder=None,
        device: str = "CPU",
        *,
        alphabet: str | os.PathLike | None = None,
        config: dict | None = None,
        precision: Precision = FULL_PRECISION,
        max_batch: int | None = None,
        max_delay: float = 0.02,
        on_batch: Callable[[int], None] | None = None,
    ):
        self._whole = AcousticIR(ir)
        self._whole.check_sizes()
        if self.metadata.get("bidirectional"):
            raise Refusal(
                f"{self._whole.name}: is bidirectional (v0.1): it gives features, not text",
                remedy="Use `deepspeech-recipe features`, or runtime.frame_features.deepspeech_v01.DeepSpeechV01",
            )
        check_precision(device, precision)
        if precision != FULL_PRECISION and self._whole.input_kind != "windows":
            raise RecipeError(
                f"{self._whole.name}: its audio part, which needs {FULL_PRECISION}, is one with the network: "
                f"{precision} is not possible. Convert without --audio attached, or leave --precision out."
            )
        self._device, self._config, self._precision = device, config, precision
        self._ir = self._for_chunks(self._whole)
        self._max_batch, self._max_delay, self._on_batch = max_batch, max_delay, on_batch
        self._batcher: Batcher | None = None
        if max_batch is not None:
            check_shared(self._ir, max_batch, max_delay)
        self._lock = threading.Lock()
        self._requests: dict[str, Requests] = {}
        given = None if alphabet is None else read_alphabet(alphabet)
        self._audio = audio_of(self._whole)
        labels = labels_of(self._whole, given)
        self._texts = Texts(labels, self._whole.frame_step)
        self._decoder = (decoder or Greedy()).for_model(labels, self.metadata.get("beam_width"))

    @property
    def metadata(self) -> dict:
        """What the IR says of itself."""
        return self._whole.metadata

    @property
    def sample_rate(self) -> int:
        """In Hz, of the samples it takes."""
        return self._audio.sample_rate

    @property
    def frame_samples(self) -> int:
        """Samples from a frame to the next."""
        return self._audio.stride

    @property
    def chunk_samples(self) -> tuple[int, int]:
        """Samples from the beginning of an utterance to a stream's first call of the network, and to each next one:
        what is in between gives no text."""
        frames = whole_calls(self._ir, CHUNK_FRAMES) if self._ir.input_kind == "windows" else CHUNK_FRAMES
        return chunk_lines(self._audio, self.metadata["n_context"], frames)

    def transcribe(self, samples) -> Result:
        """Recognises a whole utterance: samples `[N]` at `sample_rate`, float from −1 to 1, or int16."""
        return self.transcribe_blocks([samples])

    def transcribe_blocks(self, blocks: Iterable) -> Result:
        """A whole utterance that comes in blocks of samples, a long file for one: it needs memory for one block."""
        # A call that other streams share must not keep them waiting.
        stream = self.stream(LARGEST_CALL if self._max_batch is None else CHUNK_FRAMES)
        for piece in pieces(blocks, LARGEST_CALL * self.frame_samples):
            stream.feed(piece)
        return stream.finish_with_metadata()

    def transcribe_many(self, utterances: Sequence[Iterable], rows: int = ROWS) -> Iterator[Heard]:
        """Recognises utterances side by side, and yields what became of each when it ends.

        utterances: blocks of samples of each, read as they are needed. rows: how many share a call of the network, at
        most; where one ends the next one begins. Those of an IR that cannot be shared come one after the other. The
        results are those of `transcribe`; what is wrong with one utterance is an error of its own.
        """
        ir = self._for_rows
        if ir is None or min(rows, len(utterances)) < 2:
            return one_by_one(self.transcribe_blocks, utterances)
        rows = min(rows, ir.batch or rows)
        requests = self.requests(LOGITS if ir is self._ir else _OPEN_ROWS)
        return hear(ir, requests, utterances, rows, lambda: self.mfcc_frames(1), self._decoder, self._result)

    def transcribe_batch(self, utterances: Sequence) -> list[Result]:
        """Recognises utterances `[N]` side by side, if the IR allows it; the results are those of `transcribe`."""
        utterances = [as_samples(samples) for samples in utterances]
        results: dict[int, Result] = {}
        if self._ir.input_kind == "utterance" and self._ir.lengths and len(utterances) > 1:
            for number, frames in through_samples(self._ir, self._audio, self.requests("utterance"), utterances):
                utterance = self._decoder.start()
                utterance.feed(frames)
                results[number] = self._result(utterance.finish(1)[0], len(utterances[number]))
        else:
            for heard in self.transcribe_many([[samples] for samples in utterances]):
                results[heard.number] = heard.result_or_error()
        return [results[number] for number in range(len(utterances))]

    def stream(
        self,
        chunk_frames: int = CHUNK_FRAMES,
        *,
        alpha: float | None = None,
        beta: float | None = None,
        hot_words: Mapping[str, float] | None = None,
    ) -> Stream:
        """A new stream with its own state. chunk_frames: frames to collect before the network runs. alpha, beta,
        hot_words: of this stream, in place of the Scorer's. Raises RecipeError for what is not possible."""
        if chunk_frames < 1:
            raise RecipeError(f"chunk_frames is {chunk_frames}, at least 1 is needed.")
        decoder = self._decoder
        if (alpha, beta, hot_words) != (None, None, None):
            if not isinstance(decoder, ScorerSearch):
                raise RecipeError("alpha, beta and hot words are about a scorer, and there is none.")
            decoder = decoder.adapted(alpha, beta, hot_words)
        return Stream(self.session(chunk_frames), decoder.start, self._texts, self.sample_rate)

    def features(self, samples, tensor: str = LOGITS, rate: float | None = None, windows: int | None = None):
        """Samples `[N]` → an array for each frame: `[frames, width]`, float32.

        tensor: 'logits' (probabilities), 'dense_1', 'dense_2', 'dense_3', 'lstm', 'dense_5' (layers' outputs) or
        'dense_6' (scores before the softmax). rate: frames a second wanted, by linear interpolation between the
        centres of the model's frames; None: the model's own. windows: give `[frames, windows, width]` instead,
        each frame with those around it, zeros outside.
        """
        session = self.session(LARGEST_CALL, tensor)
        samples = as_samples(samples)
        values = np.concatenate([*session.feed(samples), *session.finish()])
        if rate is not None:
            values = frame_features.resampled(values, self._texts.frame_step, rate, len(samples) / self.sample_rate)
        return values if windows is None else frame_features.windows(values, windows)

    def session(self, chunk_frames: int, tensor: str = LOGITS):
        """Samples → probabilities, or another tensor, of one utterance: see `sessions`."""
        extra = tensor != LOGITS
        requests = self.requests(tensor)
        if self._ir.input_kind == "stream":
            return StreamSession(self._ir, self._audio, requests, chunk_frames, extra)
        if self._ir.input_kind == "utterance":
            return UtteranceSession(self._ir, requests)
        size = whole_calls(self._ir, chunk_frames)
        frames, sizes = self.mfcc_frames(size), (self.metadata["n_context"], self.metadata["n_input"])
        if self._max_batch is None or extra:
            return WindowSession(self.chunked_model(1, tensor), frames, *sizes)
        return BatchedSession(self._batches(self._max_batch), frames, self._ir.steps or size, *sizes)

    def chunked_model(self, rows: int, tensor: str = LOGITS) -> ChunkedModel:
        """Windows → probabilities, or another tensor, of that many utterances, call after call."""
        return ChunkedModel(self._ir, self.requests(tensor), rows, tensor != LOGITS)

    def mfcc_frames(self, chunk_frames: int) -> MfccFrames:
        """Samples → MFCC frames, with the context that windows need."""
        return MfccFrames(self.requests("features"), self._audio, self.metadata["n_context"], chunk_frames)

    def requests(self, tensor: str = LOGITS):
        """The inference requests of the model that gives a tensor; 'features': those of the feature model; 'utterance':
        those of the IR as it is."""
        with self._lock:
            if tensor not in self._requests:
                model = self._model(tensor)
                precision = FULL_PRECISION if tensor == "features" else self._precision
                compiled = compile_model(model, self._device, self._whole.name, self._config, precision)
                self._requests[tensor] = Requests(compiled, self._whole.name, self._whole.path)
            return self._requests[tensor]

    def _batches(self, max_batch: int) -> Batcher:
        requests = self.requests()
        with self._lock:
            if self._batcher is None:
                queue = BatchQueue(max_batch, self._max_delay)
                self._batcher = Batcher(StatefulCall(self._ir, requests), queue, self._on_batch)
            return self._batcher

    def _model(self, tensor: str):
        if tensor == LOGITS:
            return self._ir.model
        if tensor == "utterance":
            return self._whole.model
        if tensor == _OPEN_ROWS and self._for_rows is not None:
            return self._for_rows.model
        if tensor != "features":
            return frame_features.with_tensor(self._ir, tensor)
        beside = self._whole.feature_path
        if beside is not None and beside.exists() and self._is_part(model := read_ir(beside)):
            return model
        from deepspeech_recipe.passes.attach_audio import feature_model

        return feature_model(self._audio, self.metadata["n_context"])

    @cached_property
    def _for_rows(self) -> AcousticIR | None:
        """What utterances share the calls of, None if they cannot."""
        return open_rows(self._ir)

    def _result(self, hypothesis: Hypothesis, samples: int) -> Result:
        return self._texts.result(hypothesis, samples / self.sample_rate)

    def _is_part(self, features) -> bool:
        """Whether a feature model is this model's: another conversion may have left it."""
        if not features.has_rt_info(PATH):
            return False
        other = read_metadata(features)
        return all(other.get(key) == self.metadata.get(key) for key in ("features", "n_context"))

    def _for_chunks(self, ir: AcousticIR) -> AcousticIR:
        """What audio of any length goes through."""
        if ir.input_kind == "stream" or ir.state != NO_STATE:
            return ir
        with errors_of(ir.name):
            model = expose_state(ir.model, (2 * ir.metadata["n_context"] + 1, ir.metadata["n_input"]))
        if model is not None:
            return AcousticIR(model, ir.name)
        if ir.input_kind == "windows":
            raise RecipeError(
                f"{ir.name}: has no state to carry from call to call, and no recurrence that begins at zeros was found "
                "in it. Convert a graph that has a state, with all its outputs."
            )
        return ir
