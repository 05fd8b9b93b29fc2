"""TensorFlow as the judge: the graph computed as it is written."""


def plain_session(graph):
    """A TensorFlow 1 session of a tf.Graph on the CPU, without fused kernels.

    A GPU's TF32 products would be off by 1e-3. On processors with AVX-512, TensorFlow's remapper makes one kernel of a
    layer norm, with an epsilon of its own: 2e-2 off in TensorFlow 2.17 (tensorflow/tensorflow#58863 is such a case).
    """
    from tensorflow.compat.v1 import ConfigProto, Session

    config = ConfigProto(device_count={"GPU": 0})
    options = config.graph_options.rewrite_options
    options.remapping = options.OFF
    return Session(graph=graph, config=config)
