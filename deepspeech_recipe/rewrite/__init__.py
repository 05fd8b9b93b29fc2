"""What to change in a TensorFlow graph, decided once for both converters."""
