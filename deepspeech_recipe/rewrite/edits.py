"""Changes to a TensorFlow graph as data. Model Optimizer's graph and a GraphDef each have their own applier."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from deepspeech_recipe.graphdef.tensor import DT_BFLOAT16
from deepspeech_recipe.graphdef.view import GraphView, Tensor

# Operations of our own, lowered later by each converter to what OpenVINO has.
#
# RecipeLSTM    inputs: x [T, B, I], initial hidden state [B, H], initial cell state [B, H], and, if rows stop
#                       earlier than others, their lengths [B]
#               outputs: 0: hidden states [T, B, H] (zeros past the length), 1: last hidden state [B, H],
#                        2: last cell state [B, H]
#               attributes: weights (`Cell.weights`), hidden_size, steps (T must be this; None: any), direction
#                           ('forward' or 'reverse': from the last step to the first; forward without it),
#                           peepholes ([3, H] for the gates i, f, o, or None), clip (of the cell state; 0: none) and
#                           activations (as `Cell` has them; None: an LSTMSequence computes the cell)
# RecipeUnflattenTime   inputs: data [T·B, F], reference [T, B, …]
#                       outputs: data as [T, B, F]
#                       attributes: features (F)
# RecipeSwapTimeBatch   input: data [a, b, …]
#                       output: data as [b, a, …], three axes in all
# RecipeTimeStep        input: data [T, …]
#                       output: data[step]
#                       attribute: step
# RecipeReshape         input: data; output: data of other sizes
#                       attribute: sizes (one of them may be -1)
# RecipePack            inputs: any number of tensors of one shape […]; output: [N, …]
RECIPE_LSTM = "RecipeLSTM"
UNFLATTEN_TIME = "RecipeUnflattenTime"
SWAP_TIME_BATCH = "RecipeSwapTimeBatch"
TIME_STEP = "RecipeTimeStep"
RESHAPE = "RecipeReshape"
PACK = "RecipePack"
SEQUENCE, LAST_HIDDEN, LAST_CELL = range(3)
# TensorFlow's operations that one of the converters lacks.
_UNKNOWN_OPS = ("Dequantize", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVarsPerChannel")


@dataclass(frozen=True)
class NewNode:
    """A node to write: op is 'Identity', 'Placeholder' (attribute shape) or one of ours."""

    name: str
    op: str
    inputs: tuple[Tensor, ...] = ()
    attributes: dict = field(default_factory=dict)


@dataclass
class Edits:
    """remove: nodes that go, with every edge. replace: nodes that become another op under the same name.
    add: new nodes. redirect: tensors whose readers shall read another one."""

    remove: list[str] = field(default_factory=list)
    replace: list[NewNode] = field(default_factory=list)
    add: list[NewNode] = field(default_factory=list)
    redirect: dict[Tensor, Tensor] = field(default_factory=dict)


def unknown_constants(view: GraphView) -> dict[str, np.ndarray]:
    """What such operations, and casts of bfloat16, make of constants, by name: it is written as a constant."""
    nodes = view.of_op(*_UNKNOWN_OPS)
    nodes += [node for node in view.of_op("Cast") if node.attribute("SrcT") == DT_BFLOAT16]
    values = {node.name: view.value(Tensor(node.name)) for node in nodes}
    return {name: value for name, value in values.items() if value is not None}


def follow_redirects(edits: Edits) -> None:
    """A new node that reads another replaced LSTM, as the next cell of a stack does, reads what replaced it."""
    for nodes in (edits.add, edits.replace):
        nodes[:] = [
            replace(node, inputs=tuple(edits.redirect.get(tensor, tensor) for tensor in node.inputs)) for node in nodes
        ]
