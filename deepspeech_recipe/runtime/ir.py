"""An IR of the contract as speech recognition needs it: with its audio settings and its alphabet."""

from deepspeech_recipe.audio.settings import AudioSettings
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir_form import IRForm
from deepspeech_recipe.passes.metadata import alphabet_labels


class IR(IRForm):
    """audio: the feature part's AudioSettings, None where the graph had none. labels: text of each class but the blank.

    raw: `logits` are scores, no probabilities.
    """

    def __init__(self, ir, name: str = "The model"):
        super().__init__(ir, name)
        features = self.metadata.get("features")
        self.audio = None if features is None else AudioSettings(**features)
        self.labels = alphabet_labels(self.metadata.get("alphabet"))
        self.raw = self.head == "raw"
        if self.labels is not None and self.classes not in (None, len(self.labels) + 1):
            raise RecipeError(
                f"{self.name}: has {self.classes} classes and an alphabet of {len(self.labels)} labels. Convert it "
                "again with the alphabet it was trained with (--alphabet)."
            )

    @property
    def frame_step(self) -> float:
        """Seconds from a frame to the next."""
        if self.audio is not None:
            return self.audio.stride / self.audio.sample_rate
        return (self.metadata.get("step_ms") or 20) / 1000
