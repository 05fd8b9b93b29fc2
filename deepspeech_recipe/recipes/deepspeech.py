"""The recipe of DeepSpeech v0.2 to v0.9 and Coqui STT."""

from deepspeech_recipe.recognise.deepspeech import looks_like_deepspeech as pattern
from deepspeech_recipe.recognise.deepspeech import recognise_deepspeech as model

__all__ = ["NAME", "model", "pattern"]

NAME = "deepspeech"
