"""DeepSpeech's own recipe."""

from deepspeech_recipe.recognise.deepspeech import looks_like_deepspeech as pattern
from deepspeech_recipe.recognise.deepspeech import recognise_deepspeech as model

__all__ = ["NAME", "model", "pattern"]

NAME = "deepspeech"
