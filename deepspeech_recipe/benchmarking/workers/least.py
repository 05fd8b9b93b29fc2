"""What a chunk costs at least: its weights are read, and multiplied by. Each is done here by itself."""

import numpy as np
import openvino as ov

try:
    from openvino import opset13 as ops
except ImportError:
    from openvino.runtime import opset10 as ops


class Reading:
    """Reads that many bytes once, on all threads: a matrix times a vector costs nothing else."""

    WIDTH = 1024

    def __init__(self, size: int):
        rows = max(1, size // (4 * self.WIDTH))
        self.matrix, self.vector = np.ones((rows, self.WIDTH), np.float32), np.ones(self.WIDTH, np.float32)
        self.out = np.empty(rows, np.float32)

    def __call__(self):
        np.dot(self.matrix, self.vector, out=self.out)


class Multiplying:
    """A product that stays in the cache: many rows by a matrix of the format that an IR has."""

    ROWS, SIZE = 256, 1024

    def __init__(self, whole: bool, compile_model):
        self.whole, self.count = whole, self.ROWS * self.SIZE**2
        rng = np.random.RandomState(9)
        x = ops.parameter([self.ROWS, self.SIZE], np.float32)
        if whole:
            values = ops.convert(ops.constant(rng.randint(-127, 128, [self.SIZE] * 2).astype(np.int8)), "f32")
            weights = ops.multiply(values, ops.constant(np.full([self.SIZE, 1], 0.01, np.float32)))
        else:
            weights = ops.constant(rng.standard_normal([self.SIZE] * 2).astype(np.float32))
        model = ov.Model([ops.matmul(x, weights, False, True)], [x])
        self.request = compile_model(model).create_infer_request()
        self.request.set_input_tensor(ov.Tensor(rng.standard_normal([self.ROWS, self.SIZE]).astype(np.float32)))

    def __call__(self):
        self.request.infer()
