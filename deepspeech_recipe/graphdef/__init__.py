"""TensorFlow graphs without TensorFlow: read, view and write GraphDefs."""
