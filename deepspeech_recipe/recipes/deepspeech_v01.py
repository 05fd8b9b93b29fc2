"""DeepSpeech v0.1: three dense layers → a bidirectional LSTM (two loops) → two dense layers.

`BiRNN` of mozilla/DeepSpeech v0.1 (DeepSpeech.py): windows come flat, `[B, T, 494]`, the loops are those of
`bidirectional_dynamic_rnn`, and behind the scores stands TensorFlow's own CTC decoder, which no IR has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.bidirectional import permutation, recognise_reversal
from deepspeech_recipe.patterns.dynamic_rnn import find_rnns
from deepspeech_recipe.patterns.lstm import FusedLstm
from deepspeech_recipe.patterns.rnn import Rnn
from deepspeech_recipe.patterns.state import State
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.deepspeech import head_behind, matmuls, width
from deepspeech_recipe.recipes.metadata import read_metadata

NAME = "deepspeech-0.1"
GENERATION = "v0.1"
# What the released graphs have; a flat window does not say where its frames end.
_WINDOW_FRAMES = 19


@dataclass(frozen=True)
class _Parts:
    """forward, backward: the loops. before, after: the dense layers around them, in order."""

    windows: Node
    time_major: Tensor
    before: list[Node]
    forward: Rnn
    backward: Rnn
    after: list[Node]


def pattern(view: GraphView) -> str | None:
    """None if the surroundings are v0.1's, else what is missing, for a person to read."""
    found = _parts(view)
    return found if isinstance(found, str) else None


def model(view: GraphView) -> AcousticModel:
    """Describes the acoustic model of a graph whose surroundings look like v0.1's.

    Raises Refusal where an exact conversion is not possible.
    """
    parts = _parts(view)
    forward, backward, before, after = parts.forward, parts.backward, parts.before, parts.after
    if forward.lengths != backward.lengths:
        raise Refusal("The two directions of the LSTM have different lengths", node=backward.node)
    to_logits, raw_logits, logits, head = head_behind(view, after[-1])
    batch, steps, size = (None if each < 0 else each for each in parts.windows.attribute("shape"))
    frames, n_input = split_window(size)
    lstm = _as_fused(forward)
    return AcousticModel(
        generation=GENERATION,
        windows=Tensor(parts.windows.name),
        batch=batch,
        time_steps=steps,
        window_frames=frames,
        n_input=n_input,
        time_major=parts.time_major,
        to_sequence=view.source_node(forward.x).name,
        to_logits=to_logits,
        lengths=forward.lengths,
        lstm=lstm,
        state_c=State("constant", view.source(lstm.initial_c), None, ()),
        state_h=State("constant", view.source(lstm.initial_h), None, ()),
        dense_sizes=tuple(width(view, node) for node in before + after),
        classes=width(view, after[-1]),
        layer_norm=False,
        raw_logits=raw_logits,
        logits=logits,
        head=head,
        audio=None,
        metadata=read_metadata(view),
        rnns=(forward, backward),
    )


def split_window(size: int) -> tuple[int, int]:
    """(frames, features of a frame) of a flat window. One frame where the usual 19 do not fit."""
    frames = _WINDOW_FRAMES if size % _WINDOW_FRAMES == 0 else 1
    return frames, size // frames


def _parts(view: GraphView) -> _Parts | str:
    """The parts of v0.1's graph, or what was looked for and not found."""
    rnns, _ = find_rnns(view)
    if len(rnns) != 2:
        return f"DeepSpeech v0.1 has two loops of LSTM cells, this graph has {len(rnns)}"
    pair = _directions(view, rnns)
    if pair is None:
        return "the two directions of a bidirectional LSTM were looked for in the two loops"
    forward, backward, sequences = pair
    windows = _windows(view, forward.x)
    if windows is None:
        return "no placeholder of rank 3 (batch, time, window · features) leads to the loops"
    time_major = _time_major(view, forward.x, windows)
    if time_major is None:
        return f"a Transpose of '{windows.name}' into time-major order ([1, 0, 2]) was looked for"
    before = matmuls(view, view.ancestors(forward.x))[::-1]
    if len(before) != 3 or view.source_node(forward.x).op != "Reshape":
        return f"three dense layers and a Reshape before the loops were looked for, {len(before)} layers found"
    join = _join(view, sequences)
    after = matmuls(view, view.descendants(Tensor(join.name))) if join is not None else []
    if len(after) != 2:
        return "both directions side by side and two dense layers behind them were looked for"
    return _Parts(windows, time_major, before, forward, backward, after)


def _directions(view: GraphView, rnns: Sequence[Rnn]) -> tuple[Rnn, Rnn, tuple[Tensor, Tensor]] | None:
    """(the forward loop, the backward loop, the sequence of each) over one sequence."""
    if len(rnns) != 2 or any(len(rnn.layers) != 1 or len(rnn.layers[0].sequence) != 1 for rnn in rnns):
        return None
    for forward, backward in (rnns, rnns[::-1]):
        reversal = recognise_reversal(view, backward)
        if reversal is None or len(reversal.after) != 1 or recognise_reversal(view, forward) is not None:
            continue
        if view.source(view.nodes[reversal.before].inputs[0]) == view.source(forward.x):
            return forward, backward, (forward.layers[0].sequence[0], Tensor(reversal.after[0]))
    return None


def _join(view: GraphView, sequences: tuple[Tensor, Tensor]) -> Node | None:
    """Concat[forward, backward] over the features."""
    for reader, _ in view.readers(sequences[0]):
        if reader.op == "ConcatV2" and tuple(map(view.source, reader.inputs[:-1])) == sequences:
            return reader if view.scalar(reader.inputs[-1]) in (2, -1) else None
    return None


def _windows(view: GraphView, x: Tensor) -> Node | None:
    """The placeholder `[B, T, window · features]`."""
    found = [node for node in view.ancestors(x) if node.op == "Placeholder"]
    shape = found[0].attribute("shape") or () if len(found) == 1 else ()
    return found[0] if len(shape) == 3 and shape[2] > 0 else None


def _time_major(view: GraphView, x: Tensor, windows: Node) -> Tensor | None:
    for node in view.ancestors(x):
        if node.op == "Transpose" and view.source(node.inputs[0]) == Tensor(windows.name):
            return Tensor(node.name) if permutation(view, node.inputs[1]) == [1, 0, 2] else None
    return None


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
