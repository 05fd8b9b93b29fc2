"""A small acoustic model of the IR contract, built by hand, so that passes can be tested without a converter."""

import numpy as np

from deepspeech_recipe.ir.ov_api import opset, ov

HIDDEN, CLASSES = 24, 7


def _named(node, name: str):
    node.output(0).get_tensor().set_names({name, f"{name}:0"})
    return node


def _parameter(name: str, shape, dtype=np.float32):
    return _named(opset.parameter(ov.PartialShape(list(shape)), dtype, name=name), name)


def _result(output, name: str):
    return _named(opset.result(output), name)


def acoustic_model(n_input: int, n_context: int = 3, batch: int = -1, steps: int = -1, lengths: bool = False):
    """input_node, previous_state_c/h (and lengths) → logits, new_state_c/h, with random weights.

    lengths: the logits from a row's length on are zero.
    """
    rng = np.random.default_rng(5)

    def weights(*shape):
        return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    window = 2 * n_context + 1
    x = _parameter("input_node", (batch, steps, window, n_input))
    states = [_parameter(f"previous_state_{kind}", (batch, HIDDEN)) for kind in "ch"]
    flat = opset.reshape(x, np.int64([0, 0, window * n_input]), special_zero=True)
    # MFCCs reach 250: as trained models do, the first layer scales them down.
    scaled = opset.multiply(flat, np.float32(0.02))
    dense = opset.tanh(opset.matmul(scaled, weights(20, window * n_input), False, True))
    c, h = (opset.unsqueeze(state, np.int64([1])) for state in states)
    shape = opset.shape_of(dense)
    batches = opset.gather(shape, np.int64([0]), np.int64(0))
    times = opset.broadcast(opset.gather(shape, np.int64(1), np.int64(0)), batches)
    w, r, b = weights(1, 4 * HIDDEN, 20), weights(1, 4 * HIDDEN, HIDDEN), weights(1, 4 * HIDDEN)
    lstm = opset.lstm_sequence(dense, h, c, times, w, r, b, HIDDEN, "forward")
    sequence = opset.squeeze(lstm.output(0), np.int64([1]))
    logits = opset.softmax(opset.matmul(sequence, weights(CLASSES, HIDDEN), False, True), -1)
    parameters = [x, *states]
    if lengths:
        parameters.append(_parameter("lengths", (batch,), np.int64))
        position = opset.range(np.int64(0), opset.gather(shape, np.int64(1), np.int64(0)), np.int64(1), "i64")
        inside = opset.less(opset.unsqueeze(position, np.int64([0])), opset.unsqueeze(parameters[-1], np.int64([1])))
        logits = opset.select(opset.unsqueeze(inside, np.int64([2])), logits, np.float32(0))
    results = [_result(opset.transpose(logits, np.int64([1, 0, 2])), "logits")]
    for port, kind in ((2, "c"), (1, "h")):
        results.append(_result(opset.squeeze(lstm.output(port), np.int64([1])), f"new_state_{kind}"))
    model = ov.Model(results, parameters, "acoustic")
    model.set_rt_info('{"audio": "none", "n_input": 26}', ["deepspeech_recipe", "json"])
    return model
