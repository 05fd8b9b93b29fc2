"""Sizes that TensorFlow 2 left as slices of constant shapes become constants: a loop's number of steps is one."""

import numpy as np

from deepspeech_recipe.graphdef.build import DType, set_attr
from deepspeech_recipe.graphdef.tensor import dtype_number, to_numpy
from deepspeech_recipe.sources.frozen import input_name


def fold_sizes(nodes) -> None:
    """StridedSlice(constant vector)[i] → the constant number, in place."""
    constants = {node.name: node for node in nodes if node.op == "Const"}
    for node in nodes:
        # By items: to ask a map of protobuf for a missing key adds it.
        masks = {key: value.i for key, value in node.attr.items() if key.endswith("_mask") and value.i}
        if node.op != "StridedSlice" or masks != {"shrink_axis_mask": 1}:
            continue
        sources = [constants.get(input_name(reference)) for reference in node.input]
        if None in sources:
            continue
        vector, begin = (to_numpy(source.attr["value"].tensor) for source in sources[:2])
        if vector.ndim == 1 and begin.size == 1 and -len(vector) <= begin.item() < len(vector):
            number = np.asarray(vector[begin.item()])
            node.op = "Const"
            node.attr.clear()
            del node.input[:]
            set_attr(node, "dtype", DType(dtype_number(number.dtype)))
            set_attr(node, "value", number)
            constants[node.name] = node
