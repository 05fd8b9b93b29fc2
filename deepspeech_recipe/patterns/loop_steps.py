"""How many steps a loop over a sequence makes: time < min(T, max(1, max(lengths))), or a number."""

from __future__ import annotations

from deepspeech_recipe.graphdef.view import Tensor
from deepspeech_recipe.patterns.lengths import is_length_of, root
from deepspeech_recipe.patterns.loop_body import LoopBody


def number_of_steps(body: LoopBody, x: Tensor) -> int | None:
    """A constant number of steps, None for all of the sequence x. Raises Refusal for any other condition."""
    view = body.view
    constants: set[int] = set()
    pending, seen = [body.loop.condition], set()
    while pending:
        tensor = view.source(pending.pop())
        if tensor in seen:
            continue
        seen.add(tensor)
        node = view.producer(tensor)
        if node is not None and node.op == "LogicalAnd":
            pending += node.inputs
        elif node is not None and node.op == "Less" and body.is_time(node.inputs[0]):
            constants |= _bounds(body, node.inputs[1], x)
        else:
            raise body.refuse(
                "a condition time < number of steps was looked for", node.name if node is not None else ""
            )
    if len(constants) > 1:
        times = " and for ".join(map(str, sorted(constants)))
        raise body.refuse(f"it runs for {times} steps", body.loop.condition.node)
    return constants.pop() if constants else None


def is_number_of_steps(body: LoopBody, tensor: Tensor, x: Tensor, steps: int | None) -> bool:
    """Whether a tensor outside of the loop is T."""
    view, source = body.outside, root(body.outside, tensor)
    number, node = view.scalar(source), view.producer(source)
    if number is not None:
        return number == steps
    return node is not None and is_length_of(view, node, x)


def _bounds(body: LoopBody, limit: Tensor, x: Tensor) -> set[int]:
    """The constants that bound the steps besides the sequence's length and the longest of the lengths."""
    view = body.view
    bounds: set[int] = set()
    pending, seen = [limit], set()
    while pending:
        source = root(view, pending.pop())
        if source in seen:
            continue
        seen.add(source)
        node, number = view.producer(source), view.integer(source)
        if number is not None:
            bounds.add(number)
        elif node is not None and node.op == "Minimum":
            pending += node.inputs
        elif node is not None and node.op == "Maximum":
            pending += [part for part in node.inputs if view.scalar(part) != 1]
        elif node is not None and node.op == "Max" and {root(view, node.inputs[0])} == body.lengths:
            continue
        elif node is not None and node.op == "Max" and view.constant_shape(node.inputs[1]) == (0,):
            pending.append(node.inputs[0])  # over the axes of a scalar, of which there are none; Keras writes such
        elif node is None or not is_length_of(view, node, x):
            raise body.refuse("it runs for another number of steps than its sequence has", source.node)
    return bounds
