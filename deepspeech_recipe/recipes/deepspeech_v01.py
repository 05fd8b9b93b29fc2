"""DeepSpeech v0.1: three dense layers → a bidirectional LSTM (two loops) → two dense layers.

`BiRNN` of mozilla/DeepSpeech v0.1 (DeepSpeech.py): windows come flat, `[B, T, 494]`, the loops are those of
`bidirectional_dynamic_rnn`, and behind the scores stands TensorFlow's own CTC decoder, which no IR has.
"""

from __future__ import annotations

from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.bidirectional import permutation, recognise_reversal
from deepspeech_recipe.patterns.dynamic_rnn import find_rnns
from deepspeech_recipe.patterns.lstm import FusedLstm
from deepspeech_recipe.patterns.rnn import Rnn
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.deepspeech import head_behind, known, matmuls, width
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
        raise Refusal("The two directions of the LSTM have different lengths", node=backward.node)
    head = head_behind(view, after[-1])
    batch, steps, size = windows.attribute("shape")
    frames, n_input = split_window(size)
    lstm = _as_fused(forward)
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
        lstm=lstm,
        state_c=State("constant", view.source(lstm.initial_c), None, ()),
        state_h=State("constant", view.source(lstm.initial_h), None, ()),
        dense_sizes=tuple(width(view, node) for node in before + after),
        classes=width(view, after[-1]),
        layer_norm=False,
        raw_logits=Tensor(head.reshape),
        logits=head.logits,
        head=head.kind,
        audio=None,
        metadata=read_metadata(view),
        rnns=(forward, backward),
    )


def split_window(size: int) -> tuple[int, int]:
    """(frames, features of a frame) of a flat window. One frame where the usual 19 do not fit."""
    frames = _WINDOW_FRAMES if size % _WINDOW_FRAMES == 0 else 1
    return frames, size // frames


def _directions(view: GraphView) -> tuple[Rnn, Rnn, Node]:
    """(the forward loop, the backward loop, the Concat of what both return) over one sequence."""
    rnns, _ = find_rnns(view)
    if len(rnns) != 2:
        raise NoMatch(f"DeepSpeech v0.1 has two loops of LSTM cells, this graph has {len(rnns)}")
    for forward, backward in (rnns, rnns[::-1]):
        reversal = recognise_reversal(view, backward)
        if reversal is None or len(reversal.after) != 1 or recognise_reversal(view, forward) is not None:
            continue
        if view.source(view.nodes[reversal.before].inputs[0]) != view.source(forward.x):
            continue
        if any(len(rnn.layers[0].sequence) != 1 for rnn in rnns):
            continue
        return forward, backward, _join(view, forward.layers[0].sequence[0], Tensor(reversal.after[0]))
    raise NoMatch("the two directions of a bidirectional LSTM were looked for in the two loops", node=rnns[0].node)


def _join(view: GraphView, *sequences: Tensor) -> Node:
    """Concat[forward, backward] over the features."""
    for reader, _ in view.readers(sequences[0]):
        joins = reader.op == "ConcatV2" and tuple(map(view.source, reader.inputs[:-1])) == sequences
        if joins and view.scalar(reader.inputs[-1]) in (2, -1):
            return reader
    raise NoMatch("both directions side by side were looked for behind the loops", node=sequences[0].node)


def _windows(view: GraphView, x: Tensor) -> Node:
    """The placeholder `[B, T, window · features]`."""
    found = [node for node in view.ancestors(x) if node.op == "Placeholder"]
    shape = found[0].attribute("shape") or () if len(found) == 1 else ()
    if len(shape) != 3 or shape[2] <= 0:
        raise NoMatch("no placeholder of rank 3 (batch, time, window · features) leads to the loops", node=x.node)
    return found[0]


def _time_major(view: GraphView, x: Tensor, windows: Node) -> Tensor:
    for node in view.ancestors(x):
        if node.op == "Transpose" and view.source(node.inputs[0]) == Tensor(windows.name):
            if permutation(view, node.inputs[1]) == [1, 0, 2]:
                return Tensor(node.name)
            break
    raise NoMatch(f"a Transpose of '{windows.name}' into time-major order ([1, 0, 2]) was looked for")


def _as_fused(rnn: Rnn) -> FusedLstm:
    """The forward direction in the words of the later releases."""
    layer = rnn.layers[0]
    cell = layer.cell
    return FusedLstm(
        node=rnn.node,
        x=rnn.x,
        initial_c=layer.initial_c,
        initial_h=layer.initial_h,
        kernel=cell.kernels[0],
        bias=cell.bias,
        gates=cell.gates,
        forget_bias=cell.forget_bias,
        lengths=rnn.lengths,
        steps=rnn.steps,
        sequence=layer.sequence,
        last_c=(),
        last_h=(),
        input_size=cell.input_size,
        hidden_size=cell.hidden_size,
    )
