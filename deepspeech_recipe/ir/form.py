"""An acoustic model's IR: which form of the contract it has, told by its inputs and outputs."""

from __future__ import annotations

from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context
from deepspeech_recipe.ir import names
from deepspeech_recipe.ir.audio_settings import AudioSettings, settings_of
from deepspeech_recipe.ir.metadata import alphabet_labels
from deepspeech_recipe.ir.metadata_schema import check_metadata
from deepspeech_recipe.ir.model import IR, size_of

_FRAME_STEP_MS = 20  # of all that DeepSpeech released


class AcousticIR(IR):
    """An IR with `logits`, and its form.

    input_kind: 'windows', 'utterance' (samples of a whole one) or 'stream' (samples in blocks). batch, steps: None if
    dynamic; steps is None for samples too. lengths: the name of an input of lengths, or None. classes: with the blank;
    None if dynamic. head: what `logits` is. labels: text of each class but the blank, None if the IR has no alphabet.
    """

    def __init__(self, ir, name: str = "The model"):
        """As IR; also raises RecipeError if the model is not an acoustic model of the contract."""
        super().__init__(ir, name)
        self.head = self.metadata.get("head", names.PROBABILITIES)
        logits = self.output(names.LOGITS)
        main = self.input(names.SAMPLES) or self.input(names.WINDOWS)
        if logits is None or main is None:
            raise RecipeError(
                f"{self.name}: has no input 'input_node' or 'samples', or no output 'logits': it is a part of a model. "
                "Give the IR of the acoustic model."
            )
        if self.input(names.END_OF_STREAM) is not None:
            self.input_kind = "stream"
        else:
            self.input_kind = "windows" if self.input(names.SAMPLES) is None else "utterance"
        for port, ranks in ((main, (3, 4) if self.input_kind == "windows" else (2,)), (logits, (3,))):
            rank = port.get_partial_shape().rank
            if rank.is_dynamic or rank.get_length() not in ranks:
                found, needed = "any number of" if rank.is_dynamic else rank.get_length(), " or ".join(map(str, ranks))
                raise RecipeError(
                    f"{self.name}: '{port.get_any_name()}' has {found} dimensions, {needed} are needed: it is not "
                    "an IR of the contract."
                )
        self.shape = tuple(map(size_of, main.get_partial_shape()))
        self.batch = self.shape[0]
        self.steps = self.shape[1] if self.input_kind == "windows" else None
        self.lengths = next(
            (each for each in (names.LENGTHS, names.SAMPLE_LENGTHS) if self.input(each) is not None), None
        )
        self.classes = size_of(logits.get_partial_shape()[2])
        self.labels = alphabet_labels(self.metadata.get("alphabet"))

    @property
    def raw(self) -> bool:
        """Whether `logits` are scores instead of probabilities."""
        return self.head == names.RAW

    @property
    def frame_step(self) -> float:
        """Seconds from a frame to the next."""
        features = self.metadata.get("features")
        if features is not None:
            return features["stride"] / features["sample_rate"]
        return (self.metadata.get("step_ms") or _FRAME_STEP_MS) / 1000

    @property
    def audio(self) -> AudioSettings | None:
        """How audio becomes its windows, None if the IR does not say."""
        features = self.metadata.get("features")
        return None if features is None else settings_of(features)

    @property
    def feature_path(self) -> Path | None:
        """Where the separate feature model lies if there is one; None for an ov.Model."""
        return None if self.path is None else self.path.with_suffix(f"{names.FEATURE_PART}.xml")

    def check_sizes(self) -> None:
        """Raises RecipeError if the metadata lack what recognition needs, or do not fit the model."""
        with error_context(self.name):
            if self.audio is not None:
                self.audio.check()
            if self.input_kind != "stream" or self.audio is not None:
                check_metadata(self.metadata, ("n_context", "n_input"))
                self._check_windows()
        if self.labels is not None and self.classes not in (None, len(self.labels) + 1):
            raise RecipeError(
                f"{self.name}: has {self.classes} classes and an alphabet of {len(self.labels)} labels. Convert it "
                "again with the alphabet it was trained with (--alphabet)."
            )

    def _check_windows(self) -> None:
        n_context, n_input = self.metadata["n_context"], self.metadata["n_input"]
        sizes: list[tuple[str, int, int | None]] = []
        if self.audio is not None:
            sizes.append(("n_input", n_input, self.audio.dct_coefficient_count))
        if self.input_kind == "windows" and len(self.shape) == 4:
            sizes += [("n_context", 2 * n_context + 1, self.shape[2]), ("n_input", n_input, self.shape[3])]
        for key, said, found in sizes:
            if found is not None and said != found:
                raise RecipeError(
                    f"The IR's metadata is damaged: '{key}' ({self.metadata[key]}) does not fit the model, which has "
                    f"{found} where it means {said}. Convert the model again"
                )
