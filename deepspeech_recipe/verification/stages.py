"""Where the layers of a model end in the original graph, by topology."""

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.ir.layers import named_ends
from deepspeech_recipe.ir.names import DENSE_BEFORE, DENSE_BEHIND
from deepspeech_recipe.verification.original import Original, producer


def stages_of_graph(original: Original) -> dict[str, Tensor]:
    """Stage → tensor of the original graph, `[T·B, …]` or `[T, B, …]`, time-major."""
    view = original.view
    cells = view.of_op("BlockLSTM", "BlockLSTMV2")
    if not cells:
        raise RecipeError(f"{original.source.path}: is bidirectional (v0.1): verify compares it, diagnose cannot.")
    cell = cells[0]
    before = _weight_products(view, view.ancestors(cell.inputs[1]))[::-1]
    after = _weight_products(view, view.descendants(Tensor(cell.name, 6)))
    if not 1 <= len(before) <= len(DENSE_BEFORE) or len(after) != len(DENSE_BEHIND):
        raise RecipeError(f"{original.source.path}: its dense layers cannot be told apart.")
    logits = producer(view, view.source(original.logits))
    scores = logits.inputs[0] if logits.op == "Softmax" else original.logits
    ends = [node.inputs[0] for node in before] + [cell.inputs[1]] + [node.inputs[0] for node in after] + [scores]
    return named_ends(ends)


def _weight_products(view: GraphView, nodes) -> list[Node]:
    return [node for node in nodes if node.op == "MatMul" and view.value(node.inputs[1]) is not None]
