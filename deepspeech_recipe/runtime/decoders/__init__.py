"""Decoders of the network's probabilities: greedy, beam search, and beam search with a language model."""

from deepspeech_recipe.runtime.decoders.greedy import Greedy
from deepspeech_recipe.runtime.decoders.lm import Beam, Scorer

__all__ = ["Beam", "Greedy", "Scorer"]
