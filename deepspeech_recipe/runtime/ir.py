"""An IR of the contract as speech recognition needs it: with its audio settings and its alphabet."""

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.ir.form import IRForm, size_of
from deepspeech_recipe.ir.metadata import alphabet_labels
from deepspeech_recipe.ir.metadata_schema import check_metadata


class IR(IRForm):
    """audio: the feature part's AudioSettings, None where the graph had none. labels: text of each class but the blank.

    raw: `logits` are scores, no probabilities.
    """

    def __init__(self, ir, name: str = "The model"):
        super().__init__(ir, name)
        features = self.metadata.get("features")
        self.audio = None if features is None else AudioSettings(**features)
        with error_context(self.name):
            if self.audio is not None:
                self.audio.check()
            if self.takes != "stream" or self.audio is not None:
                check_metadata(self.metadata, ("n_context", "n_input"))
                self._check_windows()
        self.labels = alphabet_labels(self.metadata.get("alphabet"))
        self.raw = self.head == "raw"
        if self.labels is not None and self.classes not in (None, len(self.labels) + 1):
            raise RecipeError(
                f"{self.name}: has {self.classes} classes and an alphabet of {len(self.labels)} labels. Convert it "
                "again with the alphabet it was trained with (--alphabet)."
            )

    def _check_windows(self) -> None:
        """Raises RecipeError if the metadata and the model do not agree on what a window is."""
        n_context, n_input = self.metadata["n_context"], self.metadata["n_input"]
        sizes = [("n_input", n_input, self.audio.dct_coefficient_count)] if self.audio is not None else []
        shape = self.input("input_node").get_partial_shape() if self.takes == "windows" else ()
        if len(shape) == 4:
            sizes += [("n_context", 2 * n_context + 1, size_of(shape[2])), ("n_input", n_input, size_of(shape[3]))]
        for key, said, found in sizes:
            if found is not None and said != found:
                raise RecipeError(
                    f"The IR's metadata is damaged: '{key}' ({self.metadata[key]}) does not fit the model, which has "
                    f"{found} where it means {said}. Convert the model again"
                )

    @property
    def frame_step(self) -> float:
        """Seconds from a frame to the next."""
        if self.audio is not None:
            return self.audio.stride / self.audio.sample_rate
        return (self.metadata.get("step_ms") or 20) / 1000
