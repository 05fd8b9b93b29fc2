"""The DeepSpeech acoustic model, by topology: windows of MFCCs → three dense layers → LSTM → two dense layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from deepspeech_recipe import limits
from deepspeech_recipe.errors import NoMatch, Refusal
from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Node, Tensor
from deepspeech_recipe.patterns.block_lstm import HIDDEN_STATES, LSTM_OPS, X, recognise_block_lstm
from deepspeech_recipe.patterns.lstm import STEPS, Lstm
from deepspeech_recipe.patterns.state import State, recognise_state
from deepspeech_recipe.patterns.static_rnn import find_static_lstms
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.audio import AudioPart, client_features, recognise_audio
from deepspeech_recipe.recipes.dense_layers import OTHER_MODEL, head_behind, known, matmuls, width
from deepspeech_recipe.recipes.metadata import Metadata, read_metadata

NAME = "deepspeech"
_STATE_NAMES = ("previous_state_{}", "new_state_{}")


def recognise(view: GraphView, *, dense_before: int = 3) -> AcousticModel:
    """Describes the acoustic model of a DeepSpeech graph, v0.2 to v0.9 or Coqui STT.

    dense_before: the number of dense layers before the LSTM, for a fork with another one.
    Raises NoMatch if the surroundings of the LSTM are not DeepSpeech's, and Refusal, with the node at fault and the
    remedy, if they are, but an exact conversion is not possible.
    """
    cell = _cell(view)
    windows = _windows(view, cell.x)
    before = matmuls(view, view.ancestors(cell.x))[::-1]
    if len(before) != dense_before:
        reason = f"{_dense(dense_before)} before the {cell.what} were looked for, {len(before)} found"
        raise NoMatch(reason, wanted=dense_before, found=len(before))
    after = matmuls(view, view.descendants(cell.hidden))
    if len(after) != 2:
        reason = f"{_dense(2)} after the {cell.what} were looked for, {len(after)} found"
        raise NoMatch(reason, wanted=2, found=len(after))
    lstm = cell.lstm()
    batch, steps, *window = windows.attribute("shape")
    window_frames, n_input = _check_window(windows, *window)
    state_c, state_h = _states(view, lstm)
    head = head_behind(view, after[-1])
    metadata = read_metadata(view)
    audio = recognise_audio(view)
    to_sequence = _reshape_to_sequence(view, lstm)
    generation = _generation(view, lstm, to_sequence, state_c, head.kind, audio, metadata)
    return AcousticModel(
        generation=generation,
        windows=Tensor(windows.name),
        batch=known(batch),
        time_steps=known(steps),
        window_frames=window_frames,
        n_input=n_input,
        time_major=_time_major(view, lstm.x, windows),
        to_sequence=to_sequence.name,
        to_logits=head.reshape,
        no_batch=head.squeeze,
        lengths=_check_lengths(view, lstm, known(steps)),
        lstms=(replace(lstm, state_c=state_c, state_h=state_h),),
        state_c=state_c,
        state_h=state_h,
        dense_sizes=tuple(width(view, node) for node in before + after),
        classes=width(view, after[-1]),
        layer_norm=any(node.op == "Rsqrt" for node in view.ancestors(lstm.x)),
        raw_logits=Tensor(head.reshape),
        logits=head.logits,
        head=head.kind,
        audio=audio,
        metadata=metadata,
        client_features=client_features(generation, n_input) if audio is None else None,
    )


def _dense(number: int) -> str:
    words = {2: "two", 3: "three"}
    return f"{words.get(number, number)} dense layers"


class _Cell(NamedTuple):
    """The LSTM before it is looked at: what it is, its input, its hidden states, and how it is described."""

    what: str
    x: Tensor
    hidden: Tensor
    lstm: Callable[[], Lstm]


def _cell(view: GraphView) -> _Cell:
    """The one BlockLSTM, or the one LSTM that stands step by step, as exporters for TensorFlow Lite write it."""
    cells = view.of_op(*LSTM_OPS)
    if len(cells) == 1 and len(cells[0].inputs) > X:
        hidden = Tensor(cells[0].name, HIDDEN_STATES)
        return _Cell("BlockLSTM", cells[0].inputs[X], hidden, lambda: recognise_block_lstm(view, cells[0]))
    rows = () if cells else find_static_lstms(view)[0]
    if len(rows) == 1 and len(rows[0].layers) == 1 and len(rows[0].layer.rows) == 1:
        return _Cell("LSTM", rows[0].x, rows[0].layer.rows[0], lambda: rows[0])
    raise NoMatch(f"DeepSpeech has one BlockLSTM, this graph has {len(cells)}", wanted=1, found=len(cells))


def _windows(view: GraphView, x: Tensor) -> Node:
    """The placeholder `[B, T, window, features]` behind the LSTM's input."""
    placeholders = [node for node in view.ancestors(x) if node.op in PLACEHOLDER_OPS]
    if len(placeholders) != 1 or len(placeholders[0].attribute("shape") or ()) != 4:
        raise NoMatch("no placeholder of rank 4 (batch, time, window, features) leads to the BlockLSTM")
    return placeholders[0]


def _check_window(windows: Node, window_frames: int, n_input: int) -> tuple[int, int]:
    """(frames, features a frame) of a window, after a look at whether they can be."""
    if window_frames < 0 or n_input < 0 or window_frames % 2 == 0:
        raise Refusal(
            f"The windows have {known(window_frames) or 'an unknown number of'} frames of "
            f"{known(n_input) or 'an unknown number of'} features; an odd number of frames and fixed features are "
            "needed",
            node=windows.name,
            remedy=OTHER_MODEL,
        )
    numbers = math.prod(max(size, 1) for size in windows.attribute("shape"))
    if n_input < 1 or numbers > limits.allowed(limits.WINDOWS):
        raise Refusal(
            f"The windows of one call are {numbers} numbers, {n_input} features a frame",
            node=windows.name,
            remedy=limits.remedy(numbers, limits.WINDOWS),
        )
    return window_frames, n_input


def _time_major(view: GraphView, x: Tensor, windows: Node) -> Tensor:
    """The tensor `[T, B, window, features]`: the windows with batch and time exchanged."""
    for node in view.ancestors(x):
        is_windows = node.op == "Transpose" and view.source(node.inputs[0]) == Tensor(windows.name)
        if is_windows and view.integers(node.inputs[1]) == [1, 0, 2, 3]:
            return Tensor(node.name)
    raise Refusal(
        "The windows are not brought into time-major order by a Transpose [1, 0, 2, 3]",
        node=windows.name,
        remedy=OTHER_MODEL,
    )


def _reshape_to_sequence(view: GraphView, lstm: Lstm) -> Node:
    node = view.source_node(lstm.x)
    if node is None or node.op != "Reshape":
        raise Refusal(
            f"The LSTM's input comes from {view.described(lstm.x)}, where a Reshape to [time, batch, "
            f"{lstm.cell.input_size}] was looked for",
            node=view.source(lstm.x).node,
            remedy=OTHER_MODEL,
        )
    return node


def _check_lengths(view: GraphView, lstm: Lstm, steps: int | None) -> Tensor | None:
    """The input of lengths. Constant lengths must be the number of steps."""
    fixed = None if lstm.form == STEPS else lstm.steps
    if lstm.lengths is not None:
        value = view.value(lstm.lengths)
        if value is None:
            return lstm.lengths
        if steps is not None and (value == steps).all():
            return None
        fixed = value.reshape(-1)[:8].tolist()
    if fixed is not None and fixed != steps:
        raise Refusal(
            f"The graph runs the LSTM for {fixed} steps, but its windows have {steps or 'a dynamic number of'} steps",
            node=lstm.node,
            remedy="Export the graph with lengths of one call's number of steps",
        )
    return None


def _states(view: GraphView, lstm: Lstm) -> tuple[State, State]:
    states = []
    layer = lstm.layer
    for role, initial, new, what in (
        ("c", layer.initial_c, layer.last_c, "cell state"),
        ("h", layer.initial_h, layer.last_h, "hidden state"),
    ):
        state = recognise_state(view, initial, new, what=what)
        if state is None:
            raise Refusal(
                f"The initial {what} is computed by the graph ({view.source_node(initial)}), where a variable or a "
                "placeholder was looked for",
                node=lstm.node,
                remedy="Export the graph with placeholders for its state",
            )
        if not new and state.kind != "constant":
            raise Refusal(
                f"The last {what} is not taken out of the sequence, so '{state.name}' cannot be carried on",
                node=lstm.node,
                remedy="Export the graph with its state outputs",
            )
        _check_names(view, role, (state.source, *new), what)
        states.append(state)
    if len({state.kind for state in states}) > 1:
        raise Refusal(
            f"The cell state comes from a {states[0].kind}, the hidden state from a {states[1].kind}",
            node=lstm.node,
            remedy="Export the graph with both states kept in the same way",
        )
    if states[0].source == states[1].source and states[0].kind != "constant":
        raise Refusal(
            f"Cell state and hidden state both begin with '{states[0].name}'",
            node=lstm.node,
            remedy="Export the graph with a state of its own for each",
        )
    return states[0], states[1]


def _check_names(view: GraphView, role: str, tensors: tuple[Tensor, ...], what: str) -> None:
    """A tensor that is called as the other state is would be fed back the wrong way round."""
    other = "h" if role == "c" else "c"
    wrong = [name.format(other) for name in _STATE_NAMES]
    for alias in (alias for tensor in tensors for alias in view.aliases(tensor)):
        if alias.node in wrong:
            raise Refusal(
                f"'{alias.node}' is called as the other state, but holds the {what}",
                node=alias.node,
                remedy="Export the graph with previous_state_c and new_state_c as the cell state, "
                "previous_state_h and new_state_h as the hidden state",
            )


def _generation(
    view: GraphView,
    lstm: Lstm,
    to_sequence: Node,
    state: State,
    head: str,
    audio: AudioPart | None,
    metadata: Metadata,
) -> str:
    """What freezing leaves out (metadata, feature part, the assignments of the state) must not be needed."""
    frozen = state.kind == "constant" and lstm.cell.forget_bias == 1.0  # v0.6 brought CuDNN's cell, whose bias is 0
    if state.kind == "variable" or metadata.form == "noop" or frozen:
        # v0.5 takes the batch from its input, whose size may be known; before, it was written down.
        sizes = view.source_node(to_sequence.inputs[1])
        if audio is not None or metadata.form == "noop" or sizes is None or sizes.op != "Const":
            return "v0.5"
        return "v0.4" if head == "probabilities" else "v0.2 or v0.3"
    newer = metadata.beam_width is not None
    if metadata.form == "none":
        if audio is None:
            return "v0.6 to v0.9 or Coqui STT"
        newer = audio.settings.upper_frequency_limit != 4000.0  # v0.6 leaves TensorFlow's own, whatever the rate
    return "v0.7 to v0.9 or Coqui STT" if newer else "v0.6"
