"""The last steps to the IR contract, the same for both converters."""

from __future__ import annotations

from dataclasses import asdict

from deepspeech_recipe import __version__
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.initial_state import initial_state_json
from deepspeech_recipe.ir.metadata import alphabet_json, write_metadata
from deepspeech_recipe.ir.model import size_of
from deepspeech_recipe.ir.names import (
    LOGITS,
    RAW_LOGITS,
    STATE_PAIRS,
    WINDOWS,
    find_input,
    find_output,
    in_order,
    name_tensors,
)
from deepspeech_recipe.ir.options import DYNAMIC
from deepspeech_recipe.ir.ov_api import ov, rebuild
from deepspeech_recipe.passes.outputs import set_head
from deepspeech_recipe.recipes.acoustic_model import AcousticModel


def apply_contract(
    ov_model: ov.Model, view: GraphView, model: AcousticModel, converter: str, head: str | None, *, ordered: bool = True
) -> ov.Model:
    """Names and orders the tensors of an acoustic model, sets its head, writes its metadata.

    converter: its name and version. head: None for the graph's. ordered: False keeps the order of outputs as it is,
    for outputs that the user chose.
    """
    known_inputs = {role: names_of(view, tensor) for role, tensor in model.inputs.items()}
    known_outputs = {role: names_of(view, tensor) for role, tensor in model.outputs.items()}
    if model.head == "raw":
        known_outputs[LOGITS] |= {RAW_LOGITS, str(model.raw_logits)}
    name_tensors(ov_model, known_inputs, known_outputs)
    has_logits = find_output(ov_model, LOGITS) is not None
    if not has_logits and find_input(ov_model, WINDOWS) is None:
        return ov_model  # a part of the graph that the user cut out, features for one
    ov_model = rebuild(
        ov_model,
        parameters=in_order(ov_model.inputs, ov_model.get_parameters(), list(known_inputs)),
        results=in_order(ov_model.outputs, ov_model.get_results(), list(known_outputs)) if ordered else None,
    )
    head = head or model.head
    if has_logits:
        ov_model = set_head(ov_model, model.head, head)
    shape = find_input(ov_model, WINDOWS).get_partial_shape()
    metadata = {
        **model_metadata(model),
        "converter": converter,
        "head": head,
        "state": "external",
        "time_steps": size_of(shape[1]) or DYNAMIC,
        "batch": size_of(shape[0]) or DYNAMIC,
        "lengths": "enforce",
        "audio": "none",
    }
    write_metadata(ov_model, metadata)
    return ov_model


def model_metadata(model: AcousticModel) -> dict:
    """What the graph says, as JSON values; None for what it does not say."""
    meta, settings = model.metadata, model.features
    return {
        "recipe": model.recipe,
        "recipe_version": __version__,
        "generation": model.generation,
        "graph_version": meta.graph_version,
        "sample_rate": meta.sample_rate or (settings.sample_rate if settings else None),
        "window_ms": meta.window_ms,
        "step_ms": meta.step_ms,
        "upper_frequency": settings.upper_frequency_limit if settings else None,
        "beam_width": meta.beam_width,
        "language": meta.language,
        "alphabet": None if meta.alphabet is None else alphabet_json(meta.alphabet),
        "features": None if settings is None else asdict(settings),
        "n_input": model.n_input,
        "n_context": model.n_context,
        "hidden_size": model.lstm.hidden_size,
        "dense_sizes": list(model.dense_sizes),
        "classes": model.classes,
        "layer_norm": model.layer_norm,
        "bidirectional": model.is_bidirectional,
        **initial_state_json({name: state.initial for name, state in zip(STATE_PAIRS, model.own_states)}),
    }


def names_of(view: GraphView, tensor) -> set[str]:
    """The framework's names of a tensor: its own, those of copies of it, and those it is a copy of."""
    names = {str(alias) for alias in view.aliases(tensor)}
    while tensor != (source := view.source(tensor)):
        tensor = source
        names.add(str(tensor))
    return names
