"""The arrays of a loop: those that a sequence is read from step by step, and those that outputs are written to.

TensorArrays (tensorflow/python/ops/tensor_array_ops.py), and the tensor lists that TensorFlow 2 has in their place.
"""

from __future__ import annotations

from deepspeech_recipe.graphdef.view import Node, Tensor
from deepspeech_recipe.patterns.last_state import find_last_states
from deepspeech_recipe.patterns.lengths import is_range, range_limit, root
from deepspeech_recipe.patterns.loop_body import LoopBody
from deepspeech_recipe.patterns.loop_steps import is_number_of_steps
from deepspeech_recipe.patterns.while_loop import Variable

_READS = {"TensorArrayReadV3": (1, 2), "TensorListGetItem": (1, 0)}  # op → inputs: index, what is read
_WRITES = {"TensorArrayWriteV3": (1, 2), "TensorListSetItem": (1, 2)}  # op → inputs: index, value
_SIZES = {"TensorArrayV3": 0, "TensorListReserve": 1}  # op → the input that is its size


def sequence_of(body: LoopBody, x: Tensor) -> Tensor:
    """The tensor `[T, B, I]` whose step the tensor x is. Raises Refusal if it is not a step of one."""
    node = body.view.producer(x)
    if node is None or node.op not in _READS:
        raise body.refuse(f"its cell reads a {node.op if node else 'value'}, not a step of a sequence", x.node)
    index, array = (node.inputs[port] for port in _READS[node.op])
    source = body.view.source_node(array)
    if body.is_time(index) and source is not None:
        if source.op == "TensorListFromTensor":
            return source.inputs[0]
        if source.op == "TensorArrayScatterV3" and is_range(body.view, source.inputs[1]):
            return source.inputs[2]
    raise body.refuse("its cell does not read one step of a sequence after the other", node.name)


def is_step(body: LoopBody, tensor: Tensor) -> bool:
    """Whether the tensor is made of what is read from an array at the time of the step, as masks are."""
    nodes = body.view.ancestors(tensor)
    return any(node.op in _READS and body.is_time(node.inputs[_READS[node.op][0]]) for node in nodes)


def written(body: LoopBody, variable: Variable) -> Tensor | None:
    """What a step puts into the variable at its time, if that is an array of outputs."""
    node = _write(body, variable)
    if node is None or not body.is_time(node.inputs[_WRITES[node.op][0]]):
        return None
    return body.kept(node.inputs[_WRITES[node.op][1]], None)


def written_value(body: LoopBody, variable: Variable) -> Tensor | None:
    """The same, with what rows past their length get."""
    node = _write(body, variable)
    return None if node is None else body.view.source(node.inputs[_WRITES[node.op][1]])


def written_once(body: LoopBody, variable: Variable) -> Tensor | None:
    """What every step writes at the same place of an array of one, as Keras does without return_sequences."""
    node = _write(body, variable)
    if node is None or node.op != "TensorListSetItem" or body.view.scalar(node.inputs[1]) != 0:
        return None
    return body.view.source(node.inputs[2])


def stacked(body: LoopBody, variable: Variable, x: Tensor, steps: int | None) -> list[Tensor]:
    """The tensors `[T, B, H]` that the array is made into behind the loop."""
    stacks: list[Tensor] = []
    if variable.final is None:
        return stacks
    array = body.outside.source_node(variable.initial)
    if (
        array is None
        or array.op not in _SIZES
        or not is_number_of_steps(body, array.inputs[_SIZES[array.op]], x, steps)
    ):
        raise body.refuse("its output array has another size than its sequence", array.name if array else "")
    for reader, read in body.outside.readers(variable.final):
        gathers = reader.op == "TensorArrayGatherV3" and reader.inputs[2] == read
        if reader.op == "TensorListStack" or (gathers and _is_all(body, reader.inputs[1], x, steps)):
            stacks.append(Tensor(reader.name))
        elif reader.op not in ("TensorArraySizeV3", "TensorArrayCloseV3", "TensorListLength"):
            raise body.refuse(f"its output array is read by a {reader.op}", reader.name)
    return stacks


def last_read(body: LoopBody, variable: Variable, h: Variable) -> list[Tensor]:
    """The last hidden states `[B, H]` that are taken out of an array of one."""
    states: list[Tensor] = []
    array = body.outside.source_node(variable.initial)
    if array is None or array.op != "TensorListReserve" or body.outside.scalar(array.inputs[1]) != 1:
        raise body.refuse("its output array has room for more than the one step it holds", variable.next.node)
    for stack, _ in body.outside.readers(variable.final) if variable.final is not None else ():
        last, others = find_last_states(body.outside, Tensor(stack.name), h.initial, None)
        if stack.op != "TensorListStack" or others:
            reader = stack if stack.op != "TensorListStack" else others[0]
            raise body.refuse(f"its last output is read by a {reader.op}", reader.name)
        states += last
    return states


def _write(body: LoopBody, variable: Variable) -> Node | None:
    node = body.view.source_node(variable.next)
    return node if node is not None and node.op in _WRITES else None


def _is_all(body: LoopBody, indices: Tensor, x: Tensor, steps: int | None) -> bool:
    """Whether the indices are range(T)."""
    view = body.outside
    if not is_range(view, indices):
        return False
    limit = range_limit(view, indices)
    if isinstance(limit, int):
        return limit == steps
    node = view.producer(root(view, limit))
    return (node is not None and node.op == "TensorArraySizeV3") or is_number_of_steps(body, limit, x, steps)
