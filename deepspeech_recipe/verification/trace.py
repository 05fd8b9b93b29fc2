"""Where the layers end in the original graph."""

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.ir.layers import named_ends
from deepspeech_recipe.ir.names import DENSE_BEFORE, DENSE_BEHIND
from deepspeech_recipe.verification.original import Original, producer

_CELLS = ("BlockLSTM", "BlockLSTMV2")


def layer_tensors(original: Original) -> dict[str, Tensor]:
    """Layer → tensor of the original graph where it ends, by topology: `[T·B, …]` or `[T, B, …]`, time-major."""
    view = original.view
    products = [node for node in view.ancestors(original.logits) if _is_by_weights(view, node)][::-1]
    before, after = products[: -len(DENSE_BEHIND)], products[-len(DENSE_BEHIND) :]
    if not 1 <= len(before) <= len(DENSE_BEFORE):
        raise RecipeError(f"{original.source.path}: its dense layers cannot be told apart.")
    logits = producer(view, view.source(original.logits))
    scores = logits.inputs[0] if logits.op == "Softmax" else original.logits
    ends = [node.inputs[0] for node in before] + [_sequence(view, before[-1])]
    return named_ends(ends + [node.inputs[0] for node in after] + [scores])


def _is_by_weights(view: GraphView, node: Node) -> bool:
    """A product by constants; those in the loops of v0.1 read them through an Enter."""
    return node.op == "MatMul" and view.constant_shape(node.inputs[1]) is not None


def _sequence(view: GraphView, last: Node) -> Tensor:
    """What the LSTM reads: of a fused one its input, of v0.1's loops what first gets the shape of a sequence."""
    for node in view.descendants(Tensor(last.name)):
        if node.op in _CELLS:
            return node.inputs[1]
        if node.op == "Reshape" and not view.of_op(*_CELLS):
            return node.inputs[0]
    raise RecipeError(f"No LSTM follows the dense layer '{last.name}'.")
