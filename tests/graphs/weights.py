"""Random weights that keep states and probabilities away from trivial values, and alphabets."""

import struct

import numpy as np

from tests.graphs.options import Options

ENGLISH = tuple(bytes([c]) for c in b" abcdefghijklmnopqrstuvwxyz'")
BYTES = tuple(bytes([value]) for value in range(1, 256))  # upstream's byte output mode: most are no UTF-8


def serialize_alphabet(entries) -> bytes:
    """u16 count, then per entry u16 index, u16 byte length and the bytes, little endian."""
    parts = [struct.pack("<H", len(entries))]
    for index, entry in enumerate(entries):
        parts.append(struct.pack("<HH", index, len(entry)) + entry)
    return b"".join(parts)


def alphabet_of(options: Options) -> tuple[bytes, ...]:
    if options.alphabet is not None:
        return options.alphabet
    if options.classes is None or options.classes == len(ENGLISH) + 1:
        return ENGLISH
    return tuple(chr(0x61 + i).encode() for i in range(options.classes - 1))


def make_weights(options: Options, classes: int) -> dict[str, np.ndarray]:
    """float32 arrays: h1 … h6 `[in, out]`, b1 … b6, kernel `[in + H, 4H]` (gates i, c, f, o), bias,
    peephole rows and layer norm pairs."""
    rng = np.random.default_rng(options.seed)

    def normal(scale, *shape):
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    o = options
    features = (2 * o.n_context + 1) * o.n_input
    sizes = {
        1: (features, o.dense_1), 2: (o.dense_1, o.dense_2), 3: (o.dense_2, o.dense_3),
        5: (o.n_hidden, o.dense_5), 6: (o.dense_5, classes),
    }  # fmt: skip
    if o.dense_4:
        sizes[4] = (o.dense_3, o.dense_4)
    weights = {}
    for layer, (rows, columns) in sizes.items():
        gain = 3.0 if layer in (5, 6) else 1.3
        weights[f"h{layer}"] = normal(gain / np.sqrt(rows), rows, columns)
        weights[f"b{layer}"] = normal(0.3, columns)
        if layer != 6:
            weights[f"gamma{layer}"] = 1 + normal(0.2, columns)
            weights[f"beta{layer}"] = 0.5 + normal(0.2, columns)
    rows = (o.dense_4 or o.dense_3) + o.n_hidden
    weights["kernel"] = normal(1.5 / np.sqrt(rows), rows, 4 * o.n_hidden)
    weights["bias"] = normal(0.3, 4 * o.n_hidden)
    for gate in "ifo":
        weights[f"w_{gate}_diag"] = normal(0.7, o.n_hidden)
    return weights
