"""Two converters from a TensorFlow graph to the IR contract: Model Optimizer, and OpenVINO's own frontend."""
