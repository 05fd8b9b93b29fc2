"""IRs of a few operations."""

import numpy as np

from deepspeech_recipe.ir.ov_api import opset, ov


def model(seed: int, size: int = 200, inner: bool = True):
    """Weights of its own; and a loop, whose body has weights too."""
    weights = np.random.default_rng(seed).standard_normal((40, size)).astype(np.float32)
    x = opset.parameter([1, 40], np.float32, name="x")
    y = opset.matmul(x, opset.constant(weights), False, False)
    if inner:
        a, b = opset.parameter([1, 40], np.float32), opset.parameter([1, 40], np.float32)
        body = ov.Model([opset.add(opset.add(a, b), opset.constant(weights[:, 0][None]))], [a, b], "body")
        loop = opset.tensor_iterator()
        loop.set_body(body)
        loop.set_merged_input(a, x.output(0), body.get_results()[0].output(0))
        loop.set_sliced_input(b, opset.constant(np.ones((3, 40), np.float32)).output(0), 0, 1, 1, -1, 0)
        last = loop.get_iter_value(body.get_results()[0].output(0), -1)
        y = opset.concat([y, last], 1)
    return ov.Model([y], [x], f"model {seed}")
