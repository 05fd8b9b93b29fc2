"""DeepSpeech v0.1 as a feature extractor: what talking-head projects compute with it."""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context
from deepspeech_recipe.ir.form import AcousticIR
from deepspeech_recipe.ir.metadata_schema import check_metadata
from deepspeech_recipe.ir.names import LOGITS, WINDOWS
from deepspeech_recipe.ir.runner import compile_model
from deepspeech_recipe.runtime.frame_features import frames as frame_features
from deepspeech_recipe.runtime.frame_features.classic_mfcc import STEP, input_vectors
from deepspeech_recipe.runtime.inference.requests import Requests
from deepspeech_recipe.runtime.recordings.samples import as_samples

GENERATION = "v0.1"
# It was trained on 16 kHz, and no file says so; two steps of its features make a frame.
_SAMPLE_RATE = 16000
_FRAME_STEP = 2 * STEP


class DeepSpeechV01:
    """An IR of v0.1. Both directions of its LSTM read the whole recording, so there are no streams.

    ir: path of an .xml, an ov.Model, or an opened IR, with open time steps. Raises RecipeError if it is another one.
    """

    def __init__(self, ir, device: str = "CPU", *, config: dict | None = None):
        form = AcousticIR(ir)
        if form.metadata.get("generation") != GENERATION:
            raise RecipeError(f"{form.name}: is not an IR of DeepSpeech {GENERATION}.")
        if form.steps is not None or form.batch not in (None, 1):
            raise RecipeError(
                f"{form.name}: takes {form.batch or 'any number of'} recordings of {form.steps or 'any number of'} "
                "frames a call. Features need an IR that takes any number of frames: convert without --time-steps, "
                "and with batch 1 or dynamic."
            )
        with error_context(form.name):
            check_metadata(form.metadata, ("n_context", "n_input"))
        self.metadata = form.metadata
        self._form = form
        self._requests = Requests(compile_model(form.model, device, form.name, config), form.name, form.path)

    @property
    def sample_rate(self) -> int:
        """In Hz, of the samples it takes."""
        return self.metadata.get("sample_rate") or _SAMPLE_RATE

    def features(self, samples, tensor: str = "logits", rate: float | None = None, windows: int | None = None):
        """Samples `[N]` → scores `[frames, classes]`, float32, 50 frames a second.

        The features it reads are those of v0.1's own client (`frame_features.classic_mfcc`). rate, windows: as in
        `Recognizer.features`. tensor: only 'logits', what the graph gives: scores before a softmax.
        """
        if tensor != "logits":
            raise RecipeError(f"An IR of DeepSpeech {GENERATION} gives 'logits' only, not '{tensor}'.")
        samples = as_samples(samples)
        if len(samples) == 0:
            raise RecipeError("There are no samples: DeepSpeech v0.1 needs a recording to scale its features by.")
        values = self.logits(samples)
        if rate is not None:
            values = frame_features.resampled(values, _FRAME_STEP, rate, len(samples) / self.sample_rate)
        return values if windows is None else frame_features.windows(values, windows)

    def logits(self, samples: np.ndarray) -> np.ndarray:
        """Samples `[N]`, N > 0, from −1 to 1 → `[frames, classes]`."""
        vectors = self.vectors(samples)
        feeds = {WINDOWS: vectors[None]}
        if self._form.lengths is not None:
            feeds[self._form.lengths] = np.array([len(vectors)], np.int64)
        return self._requests.run(
            self._form.feeds(feeds), lambda request: self._form.view(request, LOGITS)[:, 0].copy()
        )

    def vectors(self, samples: np.ndarray) -> np.ndarray:
        """Samples as for `logits` → what the network reads, `[frames, (2·context + 1) · n_input]`."""
        whole = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767)
        return input_vectors(whole, self.sample_rate, self.metadata["n_input"], self.metadata["n_context"])


def extractor(ir, device: str = "CPU", *, config: dict | None = None, **options):
    """What gives features of an IR: a Recognizer, or a DeepSpeechV01. config: of either; options: the Recognizer's."""
    form = AcousticIR(ir)
    if form.metadata.get("generation") == GENERATION:
        return DeepSpeechV01(form, device, config=config)
    from deepspeech_recipe.runtime.recognizer import Recognizer

    return Recognizer(form, device=device, config=config, **options)
