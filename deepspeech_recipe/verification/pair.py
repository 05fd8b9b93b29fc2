"""An acoustic IR and the model that it was made of, brought together for verify and diagnose."""

import os
from collections.abc import Iterator

import numpy as np

from deepspeech_recipe.sources import LoadedModel
from deepspeech_recipe.verification import compare
from deepspeech_recipe.verification.bounds import check_bounds
from deepspeech_recipe.verification.compare import Comparison
from deepspeech_recipe.verification.converted import Converted
from deepspeech_recipe.verification.find_original import find_original
from deepspeech_recipe.verification.original import Original
from deepspeech_recipe.verification.references import Numpy, make_reference
from deepspeech_recipe.verification.rounding import with_weights_of
from deepspeech_recipe.verification.trace import layer_tensors


class AcousticPair:
    """original: with the weights that the IR rounded; stored: the checks of what the IR stores, by no number that it
    computes: these weights, and the bounds of its layers, if there are any.

    Raises RecipeError if the two cannot be compared.
    """

    def __init__(
        self, source: LoadedModel, ir, *, audio, device: str, recipe: str | os.PathLike | None,
        reference: str = "auto", layers: bool = False,
    ):  # fmt: skip
        original = find_original(source, recipe)
        self.converted = Converted(ir, device, layers=layers)
        self.converted.check_against(original)
        self.recordings = compare.recordings_for(original, self.converted, audio)
        self._given = bool(audio)
        rounded, weights = with_weights_of(self.converted.model, source)
        self.original: Original = original if rounded is source else find_original(rounded, recipe)
        self.stored = [each for each in (weights, check_bounds(self.original, self.converted.model)) if each]
        self.reference = (
            Numpy(self.original, layer_tensors(self.original))
            if layers
            else make_reference(self.original, reference, lengths=bool(self.converted.lengths))
        )

    def features(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """`compare.compare_features` of the feature model that lies beside the IR, if there is one."""
        model = self.converted.feature_model()
        if model is not None:
            yield from compare.compare_features(self.original, self.reference, model, self.recordings)

    def comparisons(self) -> Iterator[Comparison]:
        """Of every recording, and of random features if the user named none."""
        yield from compare.compare(self.original, self.reference, self.converted, self.recordings, given=self._given)
