"""TensorFlow as the judge: the graph computed as it is written."""


def plain_session(graph):
    """A TensorFlow 1 session of a tf.Graph on the CPU, without fused kernels.

    A GPU's TF32 products would be off by 1e-3. On a processor with AVX-512, TensorFlow 2.17's remapper made of a layer
    norm one kernel that was 2e-2 off.
    """
    from tensorflow.compat.v1 import ConfigProto, Session

    config = ConfigProto(device_count={"GPU": 0})
    options = config.graph_options.rewrite_options
    options.remapping = options.OFF
    return Session(graph=graph, config=config)
