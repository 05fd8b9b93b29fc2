"""The DeepSpeech acoustic model, by topology: windows of MFCCs → three dense layers → LSTM → two dense layers."""

from __future__ import annotations

import math

from deepspeech_recipe import limits
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.lstm import HIDDEN_STATES, FusedLstm, X, recognise_lstm
from deepspeech_recipe.patterns.state import State, recognise_state
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.audio import AudioPart, recognise_audio
from deepspeech_recipe.recipes.metadata import Metadata, read_metadata

NAME = "deepspeech"
LSTM_OPS = ("BlockLSTM", "BlockLSTMV2")
_PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
_ADDITIONS = ("Add", "AddV2", "BiasAdd")
_STATE_NAMES = ("previous_state_{}", "new_state_{}")


def pattern(view: GraphView) -> str | None:
    """None if the surroundings are DeepSpeech's, else what is missing, for a person to read."""
    cells = view.of_op(*LSTM_OPS)
    if len(cells) != 1:
        return f"DeepSpeech has one BlockLSTM, this graph has {len(cells)}"
    cell = cells[0]
    if len(cell.inputs) <= X or _windows(view, cell) is None:
        return "no placeholder of rank 4 (batch, time, window, features) leads to the BlockLSTM"
    before = len(matmuls(view, view.ancestors(cell.inputs[X])))
    if before != 3:
        return f"three dense layers before the BlockLSTM were looked for, {before} found"
    if not _layers_after(view, cell):
        return "two dense layers after the BlockLSTM were looked for"
    return None


def model(view: GraphView) -> AcousticModel:
    """Describes the acoustic model of a graph whose surroundings look like DeepSpeech's.

    Raises Refusal where an exact conversion is not possible, with the node at fault and the remedy.
    """
    cell = view.of_op(*LSTM_OPS)[0]
    lstm = recognise_lstm(view, cell)
    windows = _windows(view, cell)
    batch, steps, window_frames, n_input = (None if size < 0 else size for size in windows.attribute("shape"))
    _check_window(windows, window_frames, n_input)
    state_c, state_h = _states(view, lstm)
    to_logits, raw_logits, logits, head = head_behind(view, _layers_after(view, cell)[-1])
    before = matmuls(view, view.ancestors(lstm.x))[::-1]
    after = _layers_after(view, cell)
    metadata = read_metadata(view)
    audio = recognise_audio(view)
    return AcousticModel(
        generation=_generation(view, lstm, state_c, head, audio, metadata),
        windows=Tensor(windows.name),
        batch=batch,
        time_steps=steps,
        window_frames=window_frames,
        n_input=n_input,
        time_major=_time_major(view, lstm.x, windows),
        to_sequence=_reshape_to_sequence(view, lstm),
        to_logits=to_logits,
        lengths=_check_lengths(view, lstm, steps),
        lstm=lstm,
        state_c=state_c,
        state_h=state_h,
        dense_sizes=tuple(width(view, node) for node in before + after),
        classes=width(view, after[-1]),
        layer_norm=any(node.op == "Rsqrt" for node in view.ancestors(lstm.x)),
        raw_logits=raw_logits,
        logits=logits,
        head=head,
        audio=audio,
        metadata=metadata,
    )


def _windows(view: GraphView, cell: Node) -> Node | None:
    """The placeholder `[B, T, window, features]` behind the LSTM's input."""
    found = [node for node in view.ancestors(cell.inputs[X]) if node.op in _PLACEHOLDERS]
    if len(found) == 1 and len(found[0].attribute("shape") or ()) == 4:
        return found[0]
    return None


def _check_window(windows: Node, window_frames: int | None, n_input: int | None) -> None:
    if window_frames is None or n_input is None or window_frames % 2 == 0:
        raise Refusal(
            f"The windows have {window_frames or 'an unknown number of'} frames of "
            f"{n_input or 'an unknown number of'} features; an odd number of frames and fixed features are needed",
            node=windows.name,
        )

    numbers = math.prod(size or 1 for size in windows.attribute("shape"))
    if n_input < 1 or abs(numbers) > limits.allowed(limits.WINDOWS):
        raise Refusal(
            f"The windows of one call are {abs(numbers)} numbers, {n_input} features a frame",
            node=windows.name,
            remedy=limits.remedy(abs(numbers), limits.WINDOWS),
        )


def _is_weight_product(view: GraphView, node: Node) -> bool:
    return node.op == "MatMul" and len(view.constant_shape(node.inputs[1]) or ()) == 2


def matmuls(view: GraphView, nodes) -> list[Node]:
    """Those of the nodes that multiply with weights."""
    return [node for node in nodes if _is_weight_product(view, node)]


def _layers_after(view: GraphView, cell: Node) -> list[Node]:
    """The two dense layers behind the LSTM, in order; empty if there are not two."""
    found = matmuls(view, view.descendants(Tensor(cell.name, HIDDEN_STATES)))
    return found if len(found) == 2 else []


def width(view: GraphView, matmul: Node) -> int:
    """The number of outputs of a product with weights."""
    return view.constant_shape(matmul.inputs[1])[0 if matmul.attribute("transpose_b", False) else 1]


def _time_major(view: GraphView, x: Tensor, windows: Node) -> Tensor:
    """The tensor `[T, B, window, features]`: the windows with batch and time exchanged."""
    for node in view.ancestors(x):
        is_windows = node.op == "Transpose" and view.source(node.inputs[0]) == Tensor(windows.name)
        if is_windows and view.integers(node.inputs[1]) == [1, 0, 2, 3]:
            return Tensor(node.name)
    raise Refusal("The windows are not brought into time-major order by a Transpose [1, 0, 2, 3]", node=windows.name)


def _reshape_to_sequence(view: GraphView, lstm: FusedLstm) -> str:
    node = view.source_node(lstm.x)
    if node.op != "Reshape":
        raise Refusal(
            f"The LSTM's input comes from a {node.op}, where a Reshape to [time, batch, {lstm.input_size}] was "
            "looked for",
            node=node.name,
        )
    return node.name


def _check_lengths(view: GraphView, lstm: FusedLstm, steps: int | None) -> Tensor | None:
    """The input of lengths. Constant lengths must be the number of steps."""
    fixed = lstm.steps
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


def _states(view: GraphView, lstm: FusedLstm) -> tuple[State, State]:
    states = []
    for role, initial, last, what in (
        ("c", lstm.initial_c, lstm.last_c, "cell state"),
        ("h", lstm.initial_h, lstm.last_h, "hidden state"),
    ):
        new = tuple(state.tensor for state in last)
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


def head_behind(view: GraphView, last: Node) -> tuple[str, Tensor, Tensor, str]:
    """(Reshape to `[T, B, classes]`, raw logits, logits, head), from the last dense layer on."""
    tensor = Tensor(last.name)
    reshape, softmax = "", ""
    while True:
        step = next((n for n in view.consumers(tensor) if _continues_head(n, tensor, reshape, softmax)), None)
        if step is None:
            break
        tensor = Tensor(step.name)
        if step.op == "Reshape" and not reshape:
            reshape = step.name
        elif step.op == "Softmax":
            softmax = step.name
    if not reshape:
        raise Refusal("The last dense layer is not reshaped to [time, batch, classes]", node=tensor.node)
    return reshape, Tensor(reshape), tensor, "probabilities" if softmax else "raw"


def _continues_head(node: Node, tensor: Tensor, reshape: str, softmax: str) -> bool:
    if node.inputs[0] != tensor:
        return False
    if node.op in _ADDITIONS:
        return not reshape
    if node.op == "Reshape":
        return not reshape
    return node.op in GraphView.TRANSPARENT or (node.op == "Softmax" and bool(reshape) and not softmax)


def _generation(
    view: GraphView, lstm: FusedLstm, state: State, head: str, audio: AudioPart | None, metadata: Metadata
) -> str:
    """What freezing leaves out (metadata, feature part, the assignments of the state) must not be needed."""
    frozen = state.kind == "constant" and lstm.forget_bias == 1.0  # v0.6 brought CuDNN's cell, whose bias is 0
    if state.kind == "variable" or metadata.form == "noop" or frozen:
        # v0.5 takes the batch from its input; before, it was written down.
        reshape = view.nodes[_reshape_to_sequence(view, lstm)]
        if audio is not None or metadata.form == "noop" or view.value(reshape.inputs[1]) is None:
            return "v0.5"
        return "v0.4" if head == "probabilities" else "v0.2 or v0.3"
    newer = metadata.beam_width is not None
    if metadata.form == "none" and audio is None:
        return "v0.6 to v0.9 or Coqui STT"
    if metadata.form == "none":  # v0.6 leaves TensorFlow's own limit, whatever the sample rate
        newer = audio.settings.upper_frequency_limit != 4000.0
    return "v0.7 to v0.9 or Coqui STT" if newer else "v0.6"
