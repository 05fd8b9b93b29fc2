"""The frozen graph that DeepSpeech v0.9 exports, made anew from weights: what checkpoints and .tflite files become."""

from deepspeech_recipe.sources.canonical.graph import Dense, Weights, canonical_graph

__all__ = ["Dense", "Weights", "canonical_graph"]
