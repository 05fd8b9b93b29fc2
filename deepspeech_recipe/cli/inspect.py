"""Prints what a model file holds: generation, sizes, tensors and their roles, audio settings, alphabet. Of an IR, what
it says of itself.

A graph that is not a DeepSpeech model is described as far as it was recognised, with exit code 0. A DeepSpeech model
that cannot be converted exactly is refused with the reason and exit code 2, as `convert` would.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deepspeech_recipe.cli.text import byte_count, json_document, rows, shape, typed

if TYPE_CHECKING:
    from deepspeech_recipe.conversion.inspect import Inspection

HELP = "what a model file holds"


def add_arguments(parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file or directory, or an IR")
    parser.add_argument("--recipe", metavar="FILE.py", help="a recipe to ask first")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments) -> int:
    from deepspeech_recipe.conversion.inspect import inspect

    found = inspect(**typed(arguments))
    print(json_document(found) if arguments.json else "\n".join(_lines(found)))
    return 0


def _lines(found: Inspection) -> Iterator[str]:
    file, model = found["file"], found["deepspeech"]
    size = "" if file["size"] is None else f", {byte_count(file['size'])}"
    yield f"{file['path']}: {file['kind']}{size}, {file['nodes']} nodes"
    yield from (f"  {note}" for note in (*found["notes"], *found["warnings"]))
    if found["ir"] is not None:
        yield from _ir(found["ir"])
        return
    if model is None:
        yield from _no_deepspeech(found)
        return
    yield f"DeepSpeech {model['generation']}"
    yield from rows(_sizes(model))
    yield from ("", "Tensors")
    yield from rows(_tensors(model["tensors"]))
    yield from ("", "Audio and text")
    yield from rows(_audio_and_text(model))


def _ir(ir: dict) -> Iterator[str]:
    yield f"weights stored as {ir['weights']}"
    directions = (("input", ir["inputs"]), ("output", ir["outputs"]))
    yield from rows(
        (direction, tensor["name"], shape(tensor["shape"]), tensor["type"])
        for direction, tensors in directions
        for tensor in tensors
    )
    if not ir["metadata"]:
        yield "no metadata: another program made it"
        return
    yield "What it says of itself"
    yield from rows((key, _value(key, value)) for key, value in ir["metadata"].items())


def _value(key: str, value) -> str:
    if key == "alphabet":
        return _alphabet(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else "not known" if value is None else str(value)


def _no_deepspeech(found: Inspection) -> Iterator[str]:
    if found["recipe"] is None:
        yield "no DeepSpeech model"
    else:
        yield from _recipe(found["recipe"])
    for name, reason in found["misses"].items():
        yield f"  not '{name}': {reason}"
    if found["recipe"] is None and (graph := found["graph"]) is not None:
        for tensor in graph["inputs"]:
            sizes = "of unknown rank" if tensor["shape"] is None else shape(tensor["shape"])
            yield f"  input '{tensor['name']}' {sizes} {tensor['type']}"
        yield from (f"  output '{tensor['name']}' ({tensor['op']})" for tensor in graph["outputs"])
    for state in found["states"]:
        new = f"; new: {state['new'][0]}" if state["new"] else ""
        begin = "" if state["initial"] in ("zeros", "unknown") else f"; initial values {state['initial']}"
        yield f"  state in {state['kind']} '{state['name']}' {shape(state['shape'] or [])}{new}{begin}"
    for lstm in found["lstms"]:
        kinds = {f"{role} in {state['kind']} '{state['name']}'" for role, state in lstm["states"].items() if state}
        yield (
            f"  fused LSTM '{lstm['node']}' ({lstm['input_size']} → {lstm['hidden_size']}) can become "
            f"{lstm['replacement']}{'; state: ' + ', '.join(sorted(kinds)) if kinds else ''}"
        )
    for rnn in found["rnns"]:
        sizes = " → ".join(map(str, rnn["sizes"]))
        what = "LSTM loop" if rnn["kind"] == "loop" else f"LSTM of {rnn['steps']} steps"
        lengths = f"; lengths '{rnn['lengths']}'" if rnn["lengths"] else ""
        yield f"  {what} '{rnn['node']}' ({sizes}) can become {rnn['replacement']}{lengths}"
    yield from (f"  left as it is: {reason}" for reason in found["refused"])


def _recipe(model: dict) -> Iterator[str]:
    yield f"{model['name']}: {model['summary']}" if model["summary"] else model["name"]
    yield from rows(
        (direction, name, tensor, f"new value: {model['states'][name]}" if name in model["states"] else "")
        for direction, tensors in (("input", model["inputs"]), ("output", model["outputs"]))
        for name, tensor in tensors.items()
    )


def _sizes(model: dict) -> Iterator[tuple[str, ...]]:
    frames = 2 * model["n_context"] + 1
    yield "windows", f"{frames} frames ({model['n_context']} on each side) of {model['n_input']} features"
    yield "dense layers", f"{', '.join(map(str, model['dense_sizes']))}{', layer norm' if model['layer_norm'] else ''}"
    yield "LSTM", f"{model['hidden_size']} cells, forget bias {model['forget_bias']:g} ('{model['lstm_node']}')"
    yield "time steps", str(model["time_steps"])
    yield "batch", str(model["batch"])
    begin = "".join(f"; initial values of {name}: {values}" for name, values in model["initial_state"].items())
    kept = f"in {model['state']}, last state by {model['last_state']}" if model["state"] != "none" else "none"
    yield "state", f"{kept}{begin}"
    yield "logits", f"{model['head']}, {model['classes']} classes"


def _tensors(tensors: dict) -> Iterator[tuple[str, ...]]:
    for role, tensor in tensors.items():
        names = ", ".join([tensor["name"], *tensor["aliases"]])
        yield tensor["direction"], role, "" if tensor["shape"] is None else shape(tensor["shape"]), names


def _audio_and_text(model: dict) -> Iterator[tuple[str, ...]]:
    features = model["features"]
    yield "sample rate", _or_unknown(model["sample_rate"], "Hz")
    yield "window, step", f"{_or_unknown(model['window_ms'], 'ms')}, {_or_unknown(model['step_ms'], 'ms')}"
    if features is None:
        yield "features", "not in the graph: the program computes the MFCCs"
    else:
        yield (
            "features",
            f"window {features['window_size']}, stride {features['stride']} samples; "
            f"{features['filterbank_channel_count']} mel channels from {features['lower_frequency_limit']:g} to "
            f"{features['upper_frequency_limit']:g} Hz; {features['dct_coefficient_count']} MFCCs",
        )
    yield "beam width", _or_unknown(model["beam_width"])
    yield "language", _or_unknown(model["language"])
    yield "alphabet", _alphabet(model["alphabet"])


def _or_unknown(value, unit: str = "") -> str:
    return "not in the file" if value is None else f"{value} {unit}".rstrip()


def _alphabet(alphabet: dict | None) -> str:
    if alphabet is None:
        return "not in the file"
    labels = alphabet["labels"]
    if alphabet["encoding"] != "utf-8":
        return f"{len(labels)} labels that are bytes, not text"
    return f"{len(labels)} labels: {' '.join('␣' if label == ' ' else label for label in labels)}"
