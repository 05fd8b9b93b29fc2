"""Which nodes a graph still needs once edits are applied."""

from __future__ import annotations

from collections.abc import Iterable

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.patterns.while_loop import unread_in_loops
from deepspeech_recipe.rewrite.edits import Edits

_SAVER_OPS = (
    *("SaveV2", "Save", "SaveSlices", "RestoreV2", "Restore", "RestoreSlice"),
    *("ShardedFilename", "ShardedFilespec", "MergeV2Checkpoints"),
)


def edited_inputs(view: GraphView, edits: Edits) -> dict[str, tuple[Tensor, ...]]:
    """The inputs of every node that the edited graph has, by name."""
    inputs = {
        name: tuple(edits.redirect.get(tensor, tensor) for tensor in node.inputs) for name, node in view.nodes.items()
    }
    inputs.update({node.name: node.inputs for node in (*edits.replace, *edits.add)})
    for name in edits.remove:
        inputs.pop(name, None)
    return inputs


def needed(inputs: dict[str, tuple[Tensor, ...]], outputs: Iterable[str]) -> set[str]:
    """The nodes that the output nodes are computed from, themselves included."""
    names, pending = set(), list(outputs)
    while pending:
        name = pending.pop()
        if name not in names and name in inputs:
            names.add(name)
            pending += [tensor.node for tensor in inputs[name]]
    return names


def ends(view: GraphView, edits: Edits) -> list[str]:
    """The nodes nobody reads: those of the graph as it was, outside of loops, and those that were added."""
    read = {tensor.node for inputs in edited_inputs(view, edits).values() for tensor in inputs}
    read |= {tensor.node for node in view.nodes.values() for tensor in node.inputs}
    added = [node.name for node in edits.add]
    others = read.union(edits.remove, unread_in_loops(view))
    return [name for name in (*view.nodes, *added) if name not in others]


def savers(view: GraphView) -> set[str]:
    """What saves variables to a checkpoint and restores them from one. In the graph of a metagraph or a SavedModel
    nobody reads it, but it is not an output."""
    names = set()
    for node in view.of_op(*_SAVER_OPS):
        names |= {node.name, *(each.name for each in view.descendants(Tensor(node.name)))}
    return names


def remove_unused(view: GraphView, edits: Edits, outputs: Iterable[str] = ()) -> None:
    """Removes what the edits left without a reader: a replaced LSTM, its mask, the states in a row; and what TensorFlow
    puts beside a loop that it lowers, nodes for control inputs alone and placeholders that nobody reads.

    outputs: nodes that stay, read or not."""
    inputs, pivots = edited_inputs(view, edits), _pivots(view)
    last = [*ends(view, edits), *outputs]
    if edits.replace or edits.redirect:  # else the graph is left alone
        beside = {node.name for node in view.of_op("NoOp", "Placeholder") if not view.is_read(node)}
        last = [name for name in last if name not in beside or name in outputs]
    kept: set[str] = set()
    while (needs := needed(inputs, last)) != kept:
        kept = needs
        last = [name for name in last if name in outputs or name not in pivots or pivots[name] & kept]
    edits.remove += [name for name in inputs if name not in kept]


def _pivots(view: GraphView) -> dict[str, set[str]]:
    """The nodes of TensorFlow 1's conditions that have no reader, as control inputs alone name them: copies of
    Switch(p, p), and Merges of these → the Switches that p decides."""
    decided: dict[Tensor, set[str]] = {}
    copies: dict[str, Tensor] = {}
    for switch in view.of_op("Switch"):
        data, predicate = map(view.source, switch.inputs)
        if data == predicate:
            aliases = [alias.node for port in (0, 1) for alias in view.aliases(Tensor(switch.name, port))]
            copies.update(dict.fromkeys(aliases, predicate))
        else:
            decided.setdefault(predicate, set()).add(switch.name)
    for merge in view.of_op("Merge"):
        if all(tensor.node in copies for tensor in merge.inputs):
            copies[merge.name] = copies[merge.inputs[0].node]
    return {name: decided[predicate] for name, predicate in copies.items() if predicate in decided}
