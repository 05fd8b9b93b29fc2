"""Networks with LSTMs as .tflite files, by TensorFlow's converter. All sizes differ."""

import tempfile

import numpy as np


def keras_layers(tf, form: str = "float", *, features: int = 30, units=(36, 40), backwards: bool = False) -> bytes:
    """What Keras 2's LSTM layers become: one UNIDIRECTIONAL_SEQUENCE_LSTM each, over 7 steps, and a dense layer.

    The converter knows such a layer by the function's attribute alone, so a function of that kind stands for it here.
    form: "float", or "int8": weights of 8 bits.
    """
    rng = np.random.default_rng(3)
    sizes = [features, *units]

    @tf.function(experimental_attributes={"api_implements": "lstm_1", "go_backwards": False, "time_major": False})
    def layer(x, h, c, kernel, recurrent, bias):
        def step(time, outputs, h, c):
            gates = tf.matmul(x[:, time], kernel) + tf.matmul(h, recurrent) + bias
            i, f, g, o = tf.split(gates, 4, 1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            return time + 1, outputs.write(time, h), h, c

        steps = tf.shape(x)[1]
        outputs = tf.TensorArray(tf.float32, steps)
        _, outputs, h, c = tf.while_loop(lambda time, *_: time < steps, step, (0, outputs, h, c))
        return h, tf.transpose(outputs.stack(), [1, 0, 2]), h, c, tf.constant(0.0)

    def weights(*shape, scale=0.3):
        return tf.constant(scale * rng.standard_normal(shape), tf.float32)

    class Network(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 7, features), name="frames")])
        def __call__(self, x):
            x = tf.reverse(x, [1]) if backwards else x
            for before, size in zip(sizes, units, strict=False):
                arguments = weights(before, 4 * size), weights(size, 4 * size), weights(4 * size)
                x = layer(x, tf.zeros((1, size)), tf.zeros((1, size)), *arguments)[1]
            scores = tf.matmul(tf.reshape(x, [1, -1]), weights(7 * units[-1], 6)) + weights(6)
            return {"scores": tf.nn.softmax(scores)}

    network = Network()
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(network, folder, signatures=network.__call__)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if form == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def streaming_core(tf, form: str = "float", *, steps: int = 3, features: int = 34, units: int = 36) -> bytes:
    """Noise suppression of a block at a time: a normalisation, two LSTM layers written step by step, and a mask. All
    states lie in one input [1, 2, units, 2], layer by layer, hidden state and cell state. form: "float", "int8" or
    "float16"."""
    rng = np.random.default_rng(4)

    def weights(*shape, scale=0.3):
        return tf.constant(scale * rng.standard_normal(shape), tf.float32)

    sizes = (features, units)
    layers = [(weights(size, 4 * units), weights(units, 4 * units), weights(4 * units)) for size in sizes]
    dense, offset = weights(units, features), weights(features)
    gamma, beta = weights(features), weights(features)

    block, states = tf.TensorSpec((1, steps, features), name="block"), tf.TensorSpec((1, 2, units, 2), name="states")

    @tf.function(input_signature=[block, states])
    def network(block, states):
        mean = tf.reduce_mean(block, -1, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(block, mean), -1, keepdims=True)
        x = (block - mean) * tf.math.rsqrt(variance + 1e-3) * gamma + beta
        last = []
        for number, (kernel, recurrent, bias) in enumerate(layers):
            h, c, outputs = states[:, number, :, 0], states[:, number, :, 1], []
            for row in tf.unstack(x, axis=1):
                gates = tf.nn.bias_add(tf.matmul(row, kernel) + tf.matmul(h, recurrent), bias)
                i, f, g, o = tf.split(gates, 4, 1)
                c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
                h = tf.sigmoid(o) * tf.tanh(c)
                outputs.append(h)
            x = tf.stack(outputs, 1)
            last.append((h, c))
        mask = tf.sigmoid(tf.reshape(tf.matmul(tf.reshape(x, [-1, units]), dense) + offset, [1, steps, features]))
        hidden, cells = (tf.stack([state[which] for state in last], 1) for which in (0, 1))
        return mask * block, tf.stack([hidden, cells], -1)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    if form != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if form == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def with_variables(tf, *, steps: int = 3, features: int = 5, units: int = 7) -> bytes:
    """An LSTM step by step whose states are variables, as Keras' stateful layers have them; they do not begin with
    zeros."""
    rng = np.random.default_rng(5)

    def weights(*shape):
        return tf.constant(0.5 * rng.standard_normal(shape), tf.float32)

    kernel, recurrent, bias = weights(features, 4 * units), weights(units, 4 * units), weights(4 * units)
    dense = weights(units, 4)

    class Network(tf.Module):
        def __init__(self):
            self.c, self.h = (tf.Variable(weights(1, units), name=name) for name in ("memory_c", "memory_h"))

        @tf.function(input_signature=[tf.TensorSpec((1, steps, features), name="readings")])
        def __call__(self, x):
            c, h = self.c.read_value(), self.h.read_value()
            for row in tf.unstack(x, axis=1):
                i, f, g, o = tf.split(tf.matmul(row, kernel) + tf.matmul(h, recurrent) + bias, 4, 1)
                c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
                h = tf.sigmoid(o) * tf.tanh(c)
            self.c.assign(c)
            self.h.assign(h)
            return {"scores": tf.matmul(h, dense)}

    network = Network()
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(network, folder, signatures=network.__call__)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.experimental_enable_resource_variables = True
        return converter.convert()


def edited(content: bytes, change) -> bytes:
    """The file after change(schema, model, graph) on the flatbuffer as objects."""
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    change(schema, model, model.subgraphs[0])
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def in_float(content: bytes) -> bytes:
    """The file with its matrices of 8 bits as float: TensorFlow Lite's kernels for 8-bit weights round what goes in,
    too, so the numbers of the weights themselves are those of this one."""

    def change(schema, model, graph):
        for tensor in graph.tensors:
            if tensor.type == schema.TensorType.INT8:
                q = tensor.quantization
                values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int8).reshape(tensor.shape)
                across = [-1 if axis == q.quantizedDimension else 1 for axis in range(len(tensor.shape))]
                scale = np.float32(q.scale).reshape(across if len(q.scale) > 1 else -1)
                buffer = schema.BufferT()
                buffer.data = np.frombuffer((values * scale).astype("<f4").tobytes(), np.uint8)
                tensor.buffer, tensor.type, tensor.quantization = len(model.buffers), schema.TensorType.FLOAT32, None
                model.buffers.append(buffer)

    return edited(content, change)
