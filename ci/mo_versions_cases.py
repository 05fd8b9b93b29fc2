"""The conversions that ci/mo-versions runs with each release, and TensorFlow's numbers for them."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tests.graphs import foreign, rnn, stateful
from tests.support import contract
from tests.support.model_forms import ARGUMENTS, run_from, write_forms
from tests.support.reference import run_graph, session

FULL = ("--compress_to_fp16=False",)
# Measured: 1e-6 and less; MFCCs have values up to 247.
EXACT, HALF, MFCC = 1e-5, 1.5e-3, 1e-4
CALLS = 8
FIXTURES = Path(contract.FOLDER).parent


@dataclass
class Case:
    """One call of mo. what: for the page. arguments: what is typed besides the model, EXTENSIONS standing for the
    plugin's directory. calls: how many; states: input → the output it is fed. tolerance: of absolute differences;
    relative: to the largest value, where that is above 1. kind: the column of the table, "full" or "half". process:
    by the command itself. refused: a part of the Error that is right. model: how it is typed, WORK standing for the
    directory."""

    what: str
    arguments: tuple[str, ...] = FULL
    calls: int = 0
    states: dict[str, str] = field(default_factory=dict)
    tolerance: float = EXACT
    relative: bool = False
    kind: str = "full"
    process: bool = False
    refused: str = ""
    model: tuple[str, ...] = ()


def write(folder: Path) -> None:
    """<case>.pb, <case>.npz (see mo_versions_run.py) and cases.json."""
    cases = {}
    for name, (case, graph_def, values) in {**_all(), **_forms(folder / "forms")}.items():
        if not case.model:
            case.model = ("--input_model", f"WORK/{name}.pb")
            (folder / f"{name}.pb").write_bytes(graph_def)
        if values:
            np.savez(folder / f"{name}.npz", **values)
        cases[name] = asdict(case)
    (folder / "cases.json").write_text(json.dumps(cases, indent=1))


def _all() -> dict:
    typed = ("--input", "input_node[3 ? 5 6]")
    state = ("--transformations_config", "EXTENSIONS/internal_state.json")
    raw = ("--transformations_config", "EXTENSIONS/raw_head.json")
    cases = {
        "plain": acoustic("v0.9", "as it is typed first: no options", (), tolerance=HALF, process=True),
        "variables": acoustic("v0.5", "state in variables (v0.5)"),
        "variables_v0.2": acoustic("v0.2", "state in variables, raw scores (v0.2)"),
        "placeholders": acoustic("v0.9", "state in placeholders (v0.9)"),
        "layer_norm": acoustic("layer_norm", "layer norm"),
        "bytes": acoustic("bytes", "an alphabet of bytes"),
        "fp16": acoustic("v0.5", "weights of 16 bits", ("--compress_to_fp16",), tolerance=HALF),
        "dynamic": acoustic("v0.9", "any number of time steps", (*FULL, *typed)),
        "open": acoustic("steps_open", "time steps left open by the graph"),
        "internal": acoustic("v0.9", "internal state", (*FULL, *state), internal=True),
        "raw": acoustic("v0.9", "raw scores", (*FULL, *raw), head="raw_logits"),
        "first_release": first_release(),
        "mfccs": _mfccs(),
        "static_rnn": _static_rnn(),
        "stacked": _stateful(foreign.stacked_language_model(), "other models' BlockLSTM, state in variables"),
        "packed": _stateful(stateful.packed_language_model(), "other models' cells, states packed in variables"),
        "refused": _refused(),
    }
    for name in ("both", "while", "layers"):
        cases[name] = loop(name)
    return cases


def acoustic(name: str, what: str, arguments=FULL, *, internal=False, head="logits", tolerance=EXACT, process=False):
    each = contract.case(name)
    states = {f"previous_state_{role}": f"new_state_{role}" for role in "ch"}
    values, zeros = {}, np.zeros(each.want["c"].shape[1:], np.float32)
    for call, chunk in enumerate(each.chunks):
        values[f"{call}|input_node"] = chunk
        values[f"want|{call}|logits"] = each.want[head][call]
        if not internal:
            values |= {f"want|{call}|new_state_{role}": each.want[role][call] for role in "ch"}
    if not internal:
        values |= {f"0|{name}": zeros for name in states}
    half = tolerance == HALF
    case = Case(
        what, tuple(arguments), CALLS, {} if internal else states, tolerance,
        relative=half, kind="half" if half else "full", process=process,
    )  # fmt: skip
    return case, each.path.read_bytes(), values


def first_release():
    path = FIXTURES / "old_tensorflow" / "v0.1.pb"
    with np.load(path.with_suffix(".npz")) as arrays:
        values = {"0|input_node": arrays["chunks"] / np.float32(16), "want|0|logits": arrays["whole"]}
    return Case("v0.1, bidirectional", FULL, 1), path.read_bytes(), values


def _mfccs():
    """One second of noise in which a tone rises."""
    from tests.graphs.deepspeech import like_release
    from tests.support.graph_edits import with_any_length

    graph = like_release("0.9").graph_def
    rng, time = np.random.default_rng(8), np.arange(16000) / 16000
    samples = (0.1 * rng.standard_normal(16000) + 0.3 * np.sin(2000 * time**2)).astype(np.float32)
    (want,) = run_graph(with_any_length(graph), {"input_samples:0": samples}, ["mfccs:0"])
    arguments = ("--input", "input_samples[16000]", "--output", "mfccs", "--compress_to_fp16")
    case = Case("the feature part, samples to MFCCs, which stays in 32 bits", arguments, 1, tolerance=MFCC, kind="")
    return case, graph, {"0|input_samples": samples, "want|0|mfccs": want}


def loop(name: str):
    path = FIXTURES / "rnn" / f"{name}.pb"
    with np.load(path.with_suffix(".npz")) as arrays:
        found = {f"{key[:-2]}:0": value for key, value in arrays.items()}
    values = {f"0|{key}": found.pop(key) for key in ("x:0", "lengths:0")}
    kinds = {"both": "bidirectional_dynamic_rnn", "while": "the same of TensorFlow 2", "layers": "dynamic_rnn, layers"}
    values |= {f"want|0|{key}": value for key, value in found.items()}
    return Case(f"{kinds[name]}, with lengths", FULL, 1), path.read_bytes(), values


def _static_rnn():
    graph = rnn.dynamic(layers=2, lengths=True, static=3)
    feeds = graph.feeds(3, [3, 1, 0])
    want = zip(graph.outputs, run_graph(graph.graph_def, feeds, list(graph.outputs)), strict=True)
    values = {f"0|{key}": value for key, value in feeds.items()} | {f"want|0|{key}": value for key, value in want}
    return Case("static_rnn, with lengths", FULL, 1), graph.graph_def, values


def _stateful(graph, what: str):
    pairs = {name: f"new_{name}" for name in graph.states}
    values = {f"0|{name}": np.zeros(_shape(graph, name), np.float32) for name in pairs}
    with session(graph.graph_def) as run:
        run(graph.reset)
        for call in range(CALLS):
            feeds = graph.feeds(call)
            values |= {f"{call}|{key}": value for key, value in feeds.items()}
            values[f"want|{call}|{graph.outputs[0]}"] = run(graph.outputs[0], feeds)
            values |= {f"want|{call}|{new}": run(f"{name}:0") for name, new in pairs.items()}
    return Case(what, FULL, CALLS, pairs), graph.graph_def, values


def _shape(graph, name: str):
    with session(graph.graph_def) as run:
        run(graph.reset)
        return run(f"{name}:0").shape


def _forms(folder: Path) -> dict:
    """Inputs other than a .pb, whose state variables do not begin with zeros."""
    graph_def, states = contract.case("v0.5").path.read_bytes(), ("previous_state_c", "previous_state_h")
    weights = "layer_1/weights", "layer_6/bias", "lstm_fused_cell/kernel"
    inputs = "input_node", "input_lengths"
    made = write_forms(graph_def, folder, weights=weights, inputs=inputs, outputs=["logits"], others=["mfccs"])
    chunks = contract.case("v0.5").chunks
    feeds = [{"input_node:0": chunk, "input_lengths:0": [chunk.shape[1]] * len(chunk)} for chunk in chunks]
    values = {f"0|{name}": made.initial[name] for name in states}
    pairs = {name: name.replace("previous", "new") for name in states}
    for call, found in enumerate(run_from(graph_def, made.initial, feeds, ["logits:0"])):
        values[f"{call}|input_node"] = chunks[call]
        values |= {f"want|{call}|{name}": value for name, value in zip(("logits", *pairs.values()), found, strict=True)}
    kinds = {
        "frozen": "state variables frozen with the rest, their values kept",
        "metagraph": "a metagraph and its weights",
        "checkpoint": "a graph and a checkpoint",
        "saved_model": "a SavedModel",
    }
    cases = {}
    for form, what in kinds.items():
        model = [part if part.startswith("--") else f"WORK/forms/{part}" for part in ARGUMENTS[form]]
        cases[form] = Case(what, FULL, CALLS, pairs, model=tuple(model)), b"", values
    return cases


def _refused():
    case = Case("a request that cannot be met", ("--freeze_placeholder_with_value", "input_lengths->[5 5 5]"))
    case.process, case.refused = True, "or freeze 'input_lengths' to 7"
    return case, contract.case("v0.9").path.read_bytes(), {}
