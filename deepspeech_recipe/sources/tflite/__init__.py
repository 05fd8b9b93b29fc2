"""Files of TensorFlow Lite: the flatbuffer as plain objects, and the network that is recognised in them."""
