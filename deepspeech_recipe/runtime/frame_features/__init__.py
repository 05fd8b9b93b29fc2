"""DeepSpeech as a feature extractor: an array for each frame."""
