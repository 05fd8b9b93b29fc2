"""Names of the IR contract (docs/ir-contract.md): of tensors, layers, and of what options and metadata say.

Every input and output has its own name and the framework's as well.
"""

from __future__ import annotations

from collections.abc import Iterable

WINDOWS, LENGTHS, LOGITS, RAW_LOGITS = "input_node", "lengths", "logits", "raw_logits"
SAMPLES, SAMPLE_LENGTHS, END_OF_STREAM = "samples", "sample_lengths", "end_of_stream"
STATE_C, STATE_H = "previous_state_c", "previous_state_h"
# A state as it goes in, and as it comes out.
STATE_PAIRS = {STATE_C: "new_state_c", STATE_H: "new_state_h"}
TENSORS = (
    *(WINDOWS, *STATE_PAIRS, LENGTHS, SAMPLES, SAMPLE_LENGTHS, END_OF_STREAM),
    *(LOGITS, RAW_LOGITS, *STATE_PAIRS.values()),
)

# NAME.audio.xml beside NAME.xml: the feature part as a model of its own.
FEATURE_PART = ".audio"

# What `logits` is; where the state is kept.
PROBABILITIES, RAW = "probabilities", "raw"
EXTERNAL, INTERNAL, NO_STATE = "external", "internal", "none"

# Layers in the order of computation: forks may have a fourth one before the LSTM.
DENSE_BEFORE, DENSE_BEHIND = ("dense_1", "dense_2", "dense_3", "dense_4"), ("dense_5", "dense_6")
LSTM, LSTM_INPUT, LSTM_RECURRENT = "lstm", "lstm_input", "lstm_recurrent"  # its output, and its two matrices


def find(ports: Iterable, names: Iterable[str]):
    """The input or output that has one of the names, or None."""
    names = set(names)
    return next((port for port in ports if names & port.get_names()), None)


def in_order(ports: Iterable, nodes: Iterable, names: list[str]) -> list:
    """The nodes of ports, parameters or results: those whose port has one of the names first, as the names have it."""

    def place(pair) -> int:
        return min((names.index(name) for name in pair[0].get_names() if name in names), default=len(names))

    return [node for _, node in sorted(zip(ports, nodes), key=place)]


def find_input(model, name: str):
    """The model's input of that name, with or without ':0', or None."""
    return find(model.inputs, both_forms(name))


def find_output(model, name: str):
    """The model's output of that name, with or without ':0', or None."""
    return find(model.outputs, both_forms(name))


def stem(name: str) -> str:
    """'x' for 'x' and for 'x:0'."""
    return name[:-2] if name.endswith(":0") else name


def both_forms(name: str) -> set[str]:
    """'x' and 'x:0'."""
    return {stem(name), stem(name) + ":0"}


def name_tensors(model, inputs: dict[str, set[str]], outputs: dict[str, set[str]]) -> None:
    """Adds contract names. inputs, outputs: contract name → names the tensor may be found by, kept as aliases.

    A tensor that the model does not have is passed over. A contract name is taken off other inputs and outputs; an
    alias that another one has stays that one's.
    """
    pairs = [
        (_owner(ports, role, aliases), role, aliases)
        for ports, roles in ((model.inputs, inputs), (model.outputs, outputs))
        for role, aliases in roles.items()
    ]
    found = [pair for pair in pairs if pair[0] is not None]
    for port, role, _ in found:
        for other in _others(model, port):
            other.get_tensor().set_names(other.get_names() - both_forms(role))
        port.get_tensor().add_names(both_forms(role))
    for port, _, aliases in found:
        taken = (other.get_names() for other in _others(model, port))
        port.get_tensor().add_names(_in_both_forms(aliases).difference(*map(_in_both_forms, taken)))
    for parameter in model.get_parameters():
        for role in inputs:
            if role in parameter.output(0).get_names():
                parameter.set_friendly_name(role)


def _owner(ports: Iterable, role: str, aliases: Iterable[str]):
    """The port that a contract name is meant for: the framework may have given the name itself to another one."""
    port = find(ports, _in_both_forms(aliases))
    return find(ports, both_forms(role)) if port is None else port


def _in_both_forms(names: Iterable[str]) -> set[str]:
    return set().union(*map(both_forms, names))


def _others(model, port) -> list:
    """The inputs and outputs that are other tensors: OpenVINO wants each name once."""
    return [other for other in (*model.inputs, *model.outputs) if other.get_names() != port.get_names()]
