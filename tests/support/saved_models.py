"""SavedModels of the kinds people have, written by TensorFlow."""

import numpy as np

from tests.support.source_models import N_CONTEXT, N_INPUT

INPUTS = ("input_node", "input_lengths", "previous_state_c", "previous_state_h")
OUTPUTS = ("logits", "new_state_c", "new_state_h")


def wrap(tf, graph_def: bytes, path, *, scope: str = "", inputs=INPUTS, outputs=OUTPUTS, initialize: str = "") -> None:
    """A frozen graph imported and saved with a signature, as TensorFlow 1 does it."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        tf1.import_graph_def(tf1.GraphDef.FromString(graph_def), name=scope)
        start = f"{scope}/" if scope else ""
        if initialize:
            session.run(f"{start}{initialize}")
        save_session(tf1, session, path, {n: graph.get_tensor_by_name(f"{start}{n}:0") for n in inputs}, outputs, start)


def save_session(tf1, session, path, inputs, outputs, start="") -> None:
    saving = tf1.saved_model
    outputs = {name: session.graph.get_tensor_by_name(f"{start}{name}:0") for name in outputs}
    infos = [{n: saving.build_tensor_info(t) for n, t in group.items()} for group in (inputs, outputs)]
    signature = saving.build_signature_def(*infos, "predict")
    builder = saving.Builder(str(path))
    builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
    builder.save()


def unfrozen(
    tf, graph_def: bytes, path, weights: tuple[str, ...], *, resource: bool = False, inputs=INPUTS, outputs=OUTPUTS
) -> None:
    """The same, but the constants named `weights` are variables again."""
    tf1 = tf.compat.v1
    frozen = tf1.GraphDef.FromString(graph_def)
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        values = {node.name: tf.make_ndarray(node.attr["value"].tensor) for node in frozen.node if node.name in weights}
        variables = {n: tf1.get_variable(n, initializer=value, use_resource=resource) for n, value in values.items()}
        names = {node.name for node in frozen.node}
        read = {name: f"{name}/read:0" if f"{name}/read" in names else f"{name}:0" for name in weights}
        reads = {read[name]: tf.identity(variable) for name, variable in variables.items()}
        kept = tf1.GraphDef(versions=frozen.versions)
        kept.node.extend(node for node in frozen.node if node.name not in weights)
        kept = tf1.GraphDef(versions=kept.versions, node=[n for n in kept.node if n.name[:-5] not in weights])
        kept.library.CopyFrom(frozen.library)
        tf1.import_graph_def(kept, name="", input_map=reads)
        session.run(tf1.global_variables_initializer())
        save_session(tf1, session, path, {n: graph.get_tensor_by_name(f"{n}:0") for n in inputs}, outputs)


def function(tf, graph_def: bytes, path) -> None:
    """A frozen graph behind tf.function, as TensorFlow 2 saves it."""
    tf1 = tf.compat.v1
    frozen = tf1.GraphDef.FromString(graph_def)
    wrapped = tf1.wrap_function(lambda: tf1.import_graph_def(frozen, name=""), [])
    tensor = wrapped.graph.get_tensor_by_name
    inner = wrapped.prune([tensor(f"{n}:0") for n in INPUTS], {n: tensor(f"{n}:0") for n in OUTPUTS})
    specs = [tf.TensorSpec(t.shape, t.dtype, name=t.op.name) for t in inner.inputs]
    module = tf.Module()
    module.call = tf.function(lambda *arguments: inner(*arguments), input_signature=specs)
    tf.saved_model.save(module, str(path), signatures=module.call.get_concrete_function())


def coqui(tf, weights, path, *, sample_rate: int = 8000) -> None:
    """Coqui's --export_savedmodel in outline: sound files → features; whole utterances → probabilities."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        samples, rate = tf.audio.decode_wav(tf1.placeholder(tf.string, [], "input_wavfile_contents"), 1)
        spectrogram = tf.raw_ops.AudioSpectrogram(input=samples, window_size=256, stride=160, magnitude_squared=True)
        features = tf.raw_ops.Mfcc(
            spectrogram=spectrogram,
            sample_rate=rate,
            upper_frequency_limit=sample_rate / 2,
            dct_coefficient_count=N_INPUT,
        )
        tf.identity(features, "features")
        x = tf1.placeholder(tf.float32, [None, None, N_INPUT], "features_in")
        width = (2 * N_CONTEXT + 1) * N_INPUT
        eye = np.eye(width, dtype=np.float32).reshape(-1, N_INPUT, width)
        x = tf.reshape(tf.nn.conv1d(x, eye, 1, "SAME"), [-1, width])

        def dense(name, x):
            layer = getattr(weights, name)
            matrix = tf1.get_variable(f"{name}/weights", initializer=layer.kernel, use_resource=False)
            return tf.matmul(x, matrix) + tf1.get_variable(f"{name}/bias", initializer=layer.bias, use_resource=False)

        for name in ("layer_1", "layer_2", "layer_3"):
            x = tf.minimum(tf.nn.relu(dense(name, x)), 20.0)
        cell = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
        kernel = tf1.get_variable(f"{cell}/kernel", initializer=weights.lstm_kernel, use_resource=False)
        bias = tf1.get_variable(f"{cell}/bias", initializer=weights.lstm_bias, use_resource=False)
        zeros = tf.zeros([1, weights.n_hidden])
        peephole = tf.zeros([weights.n_hidden])
        block = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(9, tf.int64), x=x[:, None], cs_prev=zeros, h_prev=zeros, w=kernel, wci=peephole,
            wcf=peephole, wco=peephole, b=bias, forget_bias=0.0,
        )  # fmt: skip
        x = tf.reshape(block.h, [-1, weights.n_hidden])
        x = tf.minimum(tf.nn.relu(dense("layer_5", x)), 20.0)
        tf.nn.softmax(dense("layer_6", x), name="probs")
        session.run(tf1.global_variables_initializer())
        inputs = {"features": session.graph.get_tensor_by_name("features_in:0")}
        save_session(tf1, session, path, inputs, ("probs", "features"))
