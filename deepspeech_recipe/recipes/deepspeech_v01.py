"""DeepSpeech v0.1: three dense layers → a bidirectional LSTM (two loops) → two dense layers.

`BiRNN` of mozilla/DeepSpeech v0.1 (DeepSpeech.py): windows come flat, `[B, T, 494]`, the loops are those of
`bidirectional_dynamic_rnn`, and behind the scores stands TensorFlow's own CTC decoder, which no IR has.
"""

from __future__ import annotations

from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.dynamic_rnn import find_loop_lstms
from deepspeech_recipe.patterns.lstm import Lstm
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.dense_layers import OTHER_MODEL, head_behind, known, matmuls, width
from deepspeech_recipe.recipes.metadata import read_metadata

NAME = "deepspeech-0.1"
GENERATION = "v0.1"
# What the released graphs have; a flat window does not say where its frames end.
_WINDOW_FRAMES = 19


def recognise(view: GraphView) -> AcousticModel:
    """Describes the acoustic model of a graph of v0.1.

    Raises NoMatch if the surroundings of the two loops are not v0.1's, and Refusal if they are, but an exact conversion
    is not possible.
    """
    forward, backward, join = _directions(view)
    windows = _windows(view, forward.x)
    time_major = _time_major(view, forward.x, windows)
    before = matmuls(view, view.ancestors(forward.x))[::-1]
    to_sequence = view.source_node(forward.x)
    if len(before) != 3 or to_sequence is None or to_sequence.op != "Reshape":
        raise NoMatch(f"three dense layers and a Reshape before the loops were looked for, {len(before)} layers found")
    after = matmuls(view, view.descendants(Tensor(join.name)))
    if len(after) != 2:
        raise NoMatch(f"two dense layers behind both directions were looked for, {len(after)} found", node=join.name)
    if forward.lengths != backward.lengths:
        reason = "The two directions of the LSTM have different lengths"
        raise Refusal(reason, node=backward.node, remedy=OTHER_MODEL)
    head = head_behind(view, after[-1])
    batch, steps, size = windows.attribute("shape")
    frames, n_input = split_window(size)
    return AcousticModel(
        generation=GENERATION,
        windows=Tensor(windows.name),
        batch=known(batch),
        time_steps=known(steps),
        window_frames=frames,
        n_input=n_input,
        time_major=time_major,
        to_sequence=to_sequence.name,
        to_logits=head.reshape,
        lengths=forward.lengths,
        lstms=(forward, backward),
        state_c=State("constant", view.source(forward.layer.initial_c), None, ()),
        state_h=State("constant", view.source(forward.layer.initial_h), None, ()),
        dense_sizes=tuple(width(view, node) for node in before + after),
        classes=width(view, after[-1]),
        layer_norm=False,
        raw_logits=Tensor(head.reshape),
        logits=head.logits,
        head=head.kind,
        audio=None,
        metadata=read_metadata(view),
    )


def split_window(size: int) -> tuple[int, int]:
    """(frames, features of a frame) of a flat window. One frame if the usual 19 do not fit."""
    frames = _WINDOW_FRAMES if size % _WINDOW_FRAMES == 0 else 1
    return frames, size // frames


def _directions(view: GraphView) -> tuple[Lstm, Lstm, Node]:
    """(the forward LSTM, the backward one, the Concat of what both return) over one sequence."""
    lstms, _ = find_loop_lstms(view)
    if len(lstms) != 2:
        reason = f"DeepSpeech v0.1 has two loops of LSTM cells, this graph has {len(lstms)}"
        raise NoMatch(reason, wanted=2, found=len(lstms))
    forward, backward = sorted(lstms, key=lambda lstm: lstm.direction)
    plain = all(lstm.cell.is_plain for lstm in lstms)
    if plain and (forward.direction, backward.direction, len(forward.layers)) == ("forward", "reverse", 1):
        before, *after = backward.reversals
        same = view.source(view.nodes[before].inputs[0]) == view.source(forward.x)
        if same and len(after) == 1 and all(len(lstm.layer.sequence) == 1 for lstm in lstms):
            return forward, backward, _join(view, forward.layer.sequence[0], Tensor(after[0]))
    raise NoMatch("the two directions of a bidirectional LSTM were looked for in the two loops", node=forward.node)


def _join(view: GraphView, *sequences: Tensor) -> Node:
    """Concat[forward, backward] over the features."""
    for reader, _ in view.readers(sequences[0]):
        joins = reader.op == "ConcatV2" and tuple(map(view.source, reader.inputs[:-1])) == sequences
        if joins and view.scalar(reader.inputs[-1]) in (2, -1):
            return reader
    raise NoMatch("both directions side by side were looked for behind the loops", node=sequences[0].node)


def _windows(view: GraphView, x: Tensor) -> Node:
    """The placeholder `[B, T, window · features]`."""
    placeholders = [node for node in view.ancestors(x) if node.op == "Placeholder"]
    shape: tuple[int, ...] = (placeholders[0].attribute("shape") or ()) if len(placeholders) == 1 else ()
    if len(shape) != 3 or shape[-1] <= 0:
        raise NoMatch("no placeholder of rank 3 (batch, time, window · features) leads to the loops", node=x.node)
    return placeholders[0]


def _time_major(view: GraphView, x: Tensor, windows: Node) -> Tensor:
    for node in view.ancestors(x):
        if node.op == "Transpose" and view.source(node.inputs[0]) == Tensor(windows.name):
            if view.integers(node.inputs[1]) == [1, 0, 2]:
                return Tensor(node.name)
            break
    raise NoMatch(f"a Transpose of '{windows.name}' into time-major order ([1, 0, 2]) was looked for")
