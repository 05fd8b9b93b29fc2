"""How TensorFlow's fused LSTM wrapper takes the last state out of a sequence of states.

Given a sequence S `[T, B, H]`, its initial value s0 `[B, H]` and lengths L `[B]`, the wrapper
(tensorflow/contrib/rnn/python/ops/lstm_ops.py, `LSTMBlockWrapper`) leaves one of

    GatherNd(ConcatV2(ExpandDims(s0, 0), S, axis=0), Pack(L, range(B), axis=1))
    Gather[V2](Reshape(ConcatV2(ExpandDims(s0, 0), S, axis=0), [-1, H]), L * B + range(B))
    StridedSlice(S)[-1]                                    without lengths
"""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.lengths import is_range, range_limit, root, same_number


def find_last_states(
    view: GraphView, sequence: Tensor, initial: Tensor, lengths: Tensor | None
) -> tuple[tuple[Tensor, ...], list[Node]]:
    """The tensors `[B, H]` of last states that are taken out of `sequence`, and its other readers.

    Raises Refusal if the last state is picked at something else than the length.
    """
    last: list[Tensor] = []
    others: list[Node] = []
    for reader, read in view.readers(sequence):
        if _is_last_slice(view, reader, read):
            last.append(Tensor(reader.name))
        elif _is_prepended(view, reader, read, initial):
            last += _from_prepended(view, Tensor(reader.name), lengths)
        else:
            others.append(reader)
    return tuple(last), others


def _is_last_slice(view: GraphView, node: Node, sequence: Tensor) -> bool:
    if node.op != "StridedSlice" or node.inputs[0] != sequence:
        return False
    begin, strides = view.integers(node.inputs[1]), view.integers(node.inputs[3])
    if not begin or begin[0] != -1 or strides != [1] * len(begin):
        return False
    # S[-1] drops axis 0 and leaves the others whole.
    whole = (1 << len(begin)) - 2
    return (
        node.attribute("shrink_axis_mask", 0) == 1
        and not node.attribute("begin_mask", 0) & 1
        and node.attribute("new_axis_mask", 0) == 0
        and node.attribute("ellipsis_mask", 0) == 0
        and node.attribute("begin_mask", 0) & whole == whole
        and node.attribute("end_mask", 0) & whole == whole
    )


def _is_prepended(view: GraphView, node: Node, sequence: Tensor, initial: Tensor) -> bool:
    if node.op != "ConcatV2" or len(node.inputs) != 3:
        return False
    first, second, axis = node.inputs
    if second != sequence or view.scalar(axis) != 0:
        return False
    expand = view.source_node(first)
    if expand is not None and expand.op == "ExpandDims" and view.source(expand.inputs[0]) == view.source(initial):
        return view.scalar(expand.inputs[1]) == 0
    # Zeros as initial state may have been folded together with ExpandDims.
    prepended, value = view.value(first), view.value(initial)
    return prepended is not None and value is not None and np.array_equal(prepended, np.expand_dims(value, 0))


def _from_prepended(view: GraphView, prepended: Tensor, lengths: Tensor | None) -> list[Tensor]:
    last = []
    for reader, read in view.readers(prepended):
        if reader.op == "GatherNd" and reader.inputs[0] == read:
            _check_index(view, reader, _pack_index(view, reader.inputs[1]), lengths)
            last.append(Tensor(reader.name))
        elif reader.op == "Reshape" and reader.inputs[0] == read:
            last += _from_flat(view, reader, lengths)
        else:
            raise Refusal(
                f"The states with the initial one in front are read by a {reader.op}, where a Gather or "
                "GatherNd at the length was looked for",
                node=reader.name,
                remedy="Only last states can be taken out of an LSTMSequence; remove this reader from the graph",
            )
    return last


def _from_flat(view: GraphView, reshape: Node, lengths: Tensor | None) -> list[Tensor]:
    last = []
    for reader, read in view.readers(Tensor(reshape.name)):
        axis = view.scalar(reader.inputs[2]) if len(reader.inputs) > 2 else 0
        if reader.op not in ("Gather", "GatherV2") or reader.inputs[0] != read or axis != 0:
            raise Refusal(
                f"The flattened states are read by a {reader.op}, where a Gather at length·batch + range "
                "was looked for",
                node=reader.name,
                remedy="Only last states can be taken out of an LSTMSequence; remove this reader from the graph",
            )
        _check_index(view, reader, _flat_index(view, reader.inputs[1]), lengths)
        last.append(Tensor(reader.name))
    return last


def _pack_index(view: GraphView, indices: Tensor) -> Tensor | None:
    """L of Pack(L, range(B), axis=1)."""
    pack = view.source_node(indices)
    if pack is None or pack.op != "Pack" or len(pack.inputs) != 2 or pack.attribute("axis", 0) not in (1, -1):
        return None
    return root(view, pack.inputs[0]) if is_range(view, pack.inputs[1]) else None


def _flat_index(view: GraphView, indices: Tensor) -> Tensor | None:
    """L of L · B + range(B)."""
    add = view.producer(root(view, indices))
    if add is None or add.op not in ("Add", "AddV2"):
        return None
    for product, counting in (add.inputs, add.inputs[::-1]):
        multiply = view.producer(root(view, product))
        if multiply is not None and multiply.op == "Mul" and is_range(view, counting):
            # B is a scalar, constant or computed; the lengths are what is left.
            for lengths, batch in (multiply.inputs, multiply.inputs[::-1]):
                limit = range_limit(view, counting)
                if same_number(view, batch, limit):
                    return root(view, lengths)
    return None


def _check_index(view: GraphView, node: Node, index: Tensor | None, lengths: Tensor | None) -> None:
    if index is not None and lengths is not None and index == lengths:
        return
    taken_at = f"'{index}'" if index is not None else "an index that is not a plain length"
    wanted = f"at '{lengths}', the lengths the LSTM runs for" if lengths is not None else "at the last step"
    raise Refusal(
        f"The last state is taken at {taken_at}, not {wanted}",
        node=node.name,
        remedy="An LSTMSequence returns the state after the last step; export the graph with the state at the length",
    )
