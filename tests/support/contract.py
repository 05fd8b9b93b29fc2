"""The IR contract as checks that the results of both converters must pass, on the graphs of fixtures/synthetic."""

import collections
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from deepspeech_recipe.ir.metadata import alphabet_labels, read_metadata
from deepspeech_recipe.ir.ov_api import ov
from tests.fixtures.synthetic.cases import options_of
from tests.graphs.options import Options as GraphOptions
from tests.support.reference import random_chunks

FOLDER = Path(__file__).parents[1] / "fixtures" / "synthetic"
COUNT = 8  # chained chunks


@dataclass(frozen=True)
class Case:
    """A graph of fixtures/synthetic; want: TensorFlow's numbers, see make.py."""

    name: str
    path: Path
    options: GraphOptions
    about: dict
    want: dict
    chunks: np.ndarray  # [K, B, T, window, n_input]

    @property
    def stateless(self) -> bool:
        return self.options.no_state

    @property
    def raw(self) -> bool:
        return self.options.version in ("0.2", "0.3")


@functools.cache
def case(name: str) -> Case:
    version, options = options_of(name)
    options = GraphOptions(version=version, **options)
    with np.load(FOLDER / f"{name}.npz") as file:
        want = dict(file)
    about = json.loads(str(want.pop("about")))
    chunks = random_chunks(SimpleNamespace(options=options), COUNT)
    return Case(name, FOLDER / f"{name}.pb", options, about, want, chunks)


def check_names(model, each: Case, *, state: str = "external") -> None:
    """Contract names and the framework's, each with and without ':0', inputs and outputs in the contract's order."""
    about = each.about["names"]
    inputs = {"input_node": {"input_node"}}
    outputs = {"logits": {"logits", *_HEAD_NAMES.get(each.options.version, ())}}
    if not each.stateless and state == "external":
        inputs |= {f"previous_state_{r}": {f"previous_state_{r}", about[f"state_{r}"]} for r in "ch"}
        outputs |= {f"new_state_{r}": {f"new_state_{r}", about[f"new_{r}"]} for r in "ch"}
    for ports, wanted in ((model.inputs, inputs), (model.outputs, outputs)):
        assert len(ports) == len(wanted), [port.get_names() for port in ports]
        for port, (role, aliases) in zip(ports, wanted.items(), strict=True):
            stems = {alias.removesuffix(":0") for alias in aliases}
            names = {name for stem in stems for name in (stem, f"{stem}:0")}
            assert names <= port.get_names(), f"{role}: {names - port.get_names()} missing in {port.get_names()}"
            others = set().union(*(other for key, other in wanted.items() if key != role))
            assert not others & port.get_names(), f"{role} is also called {others & port.get_names()}"
    if not each.raw:
        assert not any("raw_logits" in port.get_names() for port in model.outputs)
    check_unique_names(model)


def check_unique_names(model) -> None:
    """No name stands on two tensors. (A Result shares the tensor that it reads.)"""
    tensors = [output for node in model.get_ops() if node.get_type_name() != "Result" for output in node.outputs()]
    names = collections.Counter(name for output in tensors for name in output.get_names())
    assert not [name for name, count in names.items() if count > 1]


def input_shapes(each: Case, *, batch: int, time_steps: int) -> dict[str, list[int]]:
    """What to reshape the inputs of a model with external state to; -1: dynamic."""
    o = each.options
    windows = {"input_node": [batch, time_steps, 2 * o.n_context + 1, o.n_input]}
    return windows | {f"previous_state_{role}": [batch, o.n_hidden] for role in "ch"}


def check_shapes(model, each: Case, *, time_steps=None, batch=None) -> None:
    """The contract's shapes; -1 in time_steps or batch: dynamic, None: as in the graph."""
    o = each.options
    steps = time_steps or (o.n_steps if o.n_steps > 0 else -1)
    rows = batch or o.batch or -1
    wanted = {
        "input_node": [rows, steps, 2 * o.n_context + 1, o.n_input],
        "logits": [steps, rows, each.about["classes"]],
        **{f"{name}_{role}": [rows, o.n_hidden] for name in ("previous_state", "new_state") for role in "ch"},
    }
    for port in (*model.inputs, *model.outputs):
        role = next(name for name in wanted if name in port.get_names())
        assert port.get_partial_shape() == ov.PartialShape(wanted[role]), f"{role} {port.get_partial_shape()}"
        assert port.get_element_type() == ov.Type.f32


def check_metadata(model, each: Case, converter: str, **wanted) -> None:
    metadata = read_metadata(model)
    o = each.options
    assert metadata["recipe"] == "deepspeech"
    assert metadata["generation"].replace("v", "").startswith(_GENERATION[o.version])
    assert metadata["converter"].startswith(converter)
    sizes = [o.dense_1, o.dense_2, o.dense_3, o.dense_5, each.about["classes"]]
    assert metadata["dense_sizes"] == sizes
    assert [metadata[key] for key in ("hidden_size", "n_input", "n_context")] == [o.n_hidden, o.n_input, o.n_context]
    assert metadata["layer_norm"] == o.layer_norm
    if o.version >= "0.6":
        assert metadata["sample_rate"] == o.sample_rate
        assert [label.hex() for label in alphabet_labels(metadata["alphabet"])] == each.about["alphabet"]
    expected = {"head": "raw" if each.raw else "probabilities", "state": "external", "lengths": "enforce"}
    expected |= {"time_steps": o.n_steps if o.n_steps > 0 else "dynamic", "batch": o.batch or "dynamic"}
    expected |= {"audio": "none", **wanted}
    assert {key: metadata[key] for key in expected} == expected


# What the tensor `logits` is also called.
_HEAD_NAMES = {"0.2": ("raw_logits",), "0.3": ("raw_logits",), "0.4": ("Softmax",), "0.5": ("Softmax",)}
_GENERATION = {
    "0.2": "0.2", "0.3": "0.2", "0.4": "0.4", "0.5": "0.5", "0.6": "0.6",
    "0.7": "0.7", "0.8": "0.7", "0.9": "0.7", "coqui": "0.7",
}  # fmt: skip
