"""What the user asked `mo` for, and what is filled in if the user said nothing, before MO acts on it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from openvino.runtime import PartialShape

from deepspeech_recipe.converters.mo_arguments import Arguments
from deepspeech_recipe.converters.mo_checks import StateNames, check_sizes, check_types
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.ir.names import LOGITS
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.recipes.audio import AudioPart

ENFORCED = "One call consumes all of its time steps (time_len == seq_len)"


def complete_audio(arguments: Arguments, view: GraphView, model: AcousticModel) -> AudioPart | None:
    """Fills in input and output of the feature part if only that was asked for, and returns it."""
    shapes, audio = _named_shapes(arguments, view, model), model.audio
    if audio is None or not _is_audio_only(view, audio, shapes, arguments.outputs):
        return None
    check_sizes(shapes, _sizes_of(model))
    if arguments.outputs is None:
        arguments.outputs = [audio.mfccs.node]
    if not shapes:
        arguments.set_inputs([], {audio.samples.node: None})
    return audio


def complete_acoustic(arguments: Arguments, view: GraphView, model: AcousticModel) -> tuple[int | None, int | None]:
    """Fills in inputs and outputs of the acoustic model; returns (time steps, batch), None if dynamic.

    Raises RecipeError if the request contradicts time_len == seq_len.
    """
    shapes = _named_shapes(arguments, view, model)
    if arguments.batch is not None:
        shapes[model.windows.node] = _windows_shape(model, arguments.batch)
        arguments.forget_batch()
    check_sizes(shapes, _sizes_of(model))
    batch, steps = (_sizes(shapes.get(model.windows.node)) or (model.batch, model.time_steps))[:2]
    _take_lengths(arguments, shapes, model, batch, steps)
    check_types(arguments, [tensor.node for tensor in model.inputs.values()])
    if shapes or arguments.frozen:
        _add_missing_inputs(shapes, model, batch)
    arguments.set_inputs(list(shapes or model.inputs), shapes or None)
    if arguments.outputs is None:
        arguments.outputs = _default_outputs(model)
    return steps, batch


def complete_general(arguments: Arguments, variables: list[str], new_states: list[str]) -> None:
    """Adds state variables that became inputs and outputs to what the user named."""
    shapes = arguments.shapes
    if isinstance(shapes, dict):
        arguments.set_inputs([], {**shapes, **{name: None for name in variables if name not in shapes}})
    if arguments.outputs is not None:
        arguments.outputs += [name for name in new_states if name not in arguments.outputs]


def take_used_lengths(arguments: Arguments, removed: Iterable[str], lengths: Iterable[str]) -> None:
    """Takes lengths that were frozen out of the request if they are in the number of steps now: nothing reads them."""
    gone = {*removed} & {*lengths}
    for key in [key for key in arguments.frozen if Tensor.parse(key).node in gone]:
        arguments.forget_frozen(key)
    if isinstance(arguments.shapes, dict):
        arguments.set_inputs([], {name: shape for name, shape in arguments.shapes.items() if name not in gone})


def add_new_states(arguments: Arguments, states: Iterable[StateNames]) -> None:
    """Internal states are written to, whatever outputs the user named."""
    outputs = arguments.outputs or []
    new = [state.output for state in states if not any(Tensor.parse(name).node in state.new for name in outputs)]
    arguments.outputs = [*outputs, *new]


def _sizes_of(model: AcousticModel) -> dict[str, tuple[int, ...]]:
    """Input → its sizes, -1 for those that the user may choose."""
    sizes: dict[str, tuple[int, ...]] = {tensor.node: (-1, model.lstm.hidden_size) for tensor in model.inputs.values()}
    sizes[model.windows.node] = model.windows_shape(-1, -1)
    return sizes if model.audio is None else {model.audio.samples.node: (-1,), **sizes}


def _windows_shape(model: AcousticModel, batch: int) -> PartialShape:
    steps = -1 if model.time_steps is None else model.time_steps
    return PartialShape(list(model.windows_shape(batch, steps)))


def _named_shapes(arguments: Arguments, view: GraphView, model: AcousticModel) -> dict:
    """The shapes by name. Names of copies of an input (`previous_state_c/read`) become the input's own."""
    shapes = arguments.shapes
    if shapes is None:
        return {}
    if isinstance(shapes, PartialShape):
        return {model.windows.node: shapes}
    if isinstance(shapes, dict):
        return {_own_name(name, view, model): shape for name, shape in shapes.items()}
    if all(isinstance(item, str) for item in shapes):
        return {_own_name(name, view, model): None for name in shapes}
    if len(shapes) == 1:
        return {model.windows.node: shapes[0]}
    names = ", ".join(model.inputs)
    raise RecipeError(f"{len(shapes)} shapes were given without names. Name the inputs: --input {names}")


def _own_name(name: str, view: GraphView, model: AcousticModel) -> str:
    sources = list(model.inputs.values())
    if model.lengths is not None:
        sources.append(model.lengths)
    source = view.source(Tensor.parse(name))
    return source.node if source in sources else name


def _is_audio_only(view: GraphView, audio: AudioPart, shapes: dict, outputs: list[str] | None) -> bool:
    if outputs is not None:
        nodes = [view.nodes.get(Tensor.parse(name).node) for name in outputs]
        return all(node is not None and _is_feature(view, node) for node in nodes)
    return bool(shapes) and all(name == audio.samples.node for name in shapes)


def _is_feature(view: GraphView, node: Node) -> bool:
    return any(ancestor.op in ("AudioSpectrogram", "Mfcc") for ancestor in view.ancestors(Tensor(node.name)))


def _take_lengths(arguments: Arguments, shapes: dict, model: AcousticModel, batch, steps) -> None:
    """Checks what the user says of the lengths, and takes them out of the request: nothing reads them any more."""
    if model.lengths is None:
        return
    name = model.lengths.node
    typed = [key for key in arguments.frozen if Tensor.parse(key).node == name]
    if not typed and name in shapes:
        raise RecipeError(
            f"'{name}' cannot stay an input. {ENFORCED}. Remove it from --input, or freeze it: "
            f'--freeze_placeholder_with_value "{name}->[{steps or "T"}]"'
        )
    shapes.pop(name, None)
    for key in typed:
        _check_frozen(name, arguments.frozen[key], batch, steps)
        arguments.forget_frozen(key)


def _check_frozen(name: str, value, batch, steps) -> None:
    try:
        lengths = np.asarray(value).astype(np.int64).reshape(-1)
    except (TypeError, ValueError):
        raise RecipeError(f"'{name}' is frozen to {value}, which is not a list of integers.") from None
    if steps is None:
        raise RecipeError(
            f"'{name}' is frozen to {lengths.tolist()}, but the time length of the input is dynamic. {ENFORCED}. "
            f"Give the input {lengths[0] if lengths.size else 'T'} time steps, or do not freeze '{name}'"
        )
    if lengths.size not in {1, batch} or not np.all(lengths == steps):
        raise RecipeError(
            f"'{name}' is frozen to {lengths.tolist()}, but the input has {steps} time steps. {ENFORCED}. "
            f"Give the input {lengths[0] if lengths.size else 'T'} time steps, or freeze '{name}' to {steps}"
        )


def _add_missing_inputs(shapes: dict, model: AcousticModel, batch) -> None:
    """MO wants every reachable input listed once one is; states follow the batch of the windows."""
    own = {tensor.node for tensor in model.inputs.values()}
    if not set(shapes) <= own:
        return
    shapes.setdefault(model.windows.node, None)
    for state in (model.state_c, model.state_h):
        if state.kind == "constant":
            continue
        given = _sizes(shapes.get(state.name))
        if given is None:
            shapes[state.name] = PartialShape([-1 if batch is None else batch, model.lstm.hidden_size])
        elif None not in (given[0], batch) and given[0] != batch:
            raise RecipeError(
                f"'{state.name}' has a batch of {given[0]}, '{model.windows.node}' one of {batch}. "
                "Give both the same batch"
            )


def _default_outputs(model: AcousticModel) -> list[str]:
    outputs = model.outputs
    return [outputs.pop(LOGITS).node, *outputs]


def _sizes(shape) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    return tuple(d.get_length() if d.is_static else None for d in PartialShape(shape))
