"""Frozen TensorFlow graphs made on the spot: DeepSpeech in all its shapes, near misses, and foreign models."""
