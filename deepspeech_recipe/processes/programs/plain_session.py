"""TensorFlow as the judge: a graph computed as it is written."""


def plain_session(graph):
    """A TensorFlow 1 session of a tf.Graph on the CPU, without optimisations of the graph.

    A GPU's TF32 products would be off by 1e-3. On a processor with AVX-512, TensorFlow 2.17's remapper made of a layer
    norm one kernel that was 2e-2 off. Constants that do not fit into memory would be tried for over a minute.
    """
    from tensorflow.compat.v1 import ConfigProto, OptimizerOptions, Session

    config = ConfigProto(device_count={"GPU": 0})
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = OptimizerOptions.L0
    return Session(graph=graph, config=config)
