"""The recipe of DeepSpeech v0.1."""

from deepspeech_recipe.recognise.first_release import looks_like_first_release as pattern
from deepspeech_recipe.recognise.first_release import recognise_first_release as model

__all__ = ["NAME", "model", "pattern"]

NAME = "deepspeech-0.1"
