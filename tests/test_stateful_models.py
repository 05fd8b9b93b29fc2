"""Models of other families that carry a state: in variables, packed or not, or fed by the caller."""

import numpy as np
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.ov_api import ov
from tests.graphs import foreign, fused, stateful
from tests.support.compare import compiled, op_counts
from tests.support.limits import assert_close
from tests.support.mo_run import EXTENSIONS, MOError, mo
from tests.support.reference import expected_calls, session

pytestmark = pytest.mark.requires_tf

# Graph, its main output, and which input is fed which output.
FED = {f"memory_{layer}_{part}": f"after_{layer}_{part}" for layer in (0, 1) for part in "ch"}
PACKED = {f"lstm/lstm_{layer}/state": f"new_lstm/lstm_{layer}/state" for layer in (0, 1)}
FAMILIES = {
    "packed": (stateful.packed_language_model, {}, "softmax_out", PACKED),
    "keyword": (
        stateful.keyword_spotter, {}, "scores",
        {"lstm/input_state1": "output_state1", "lstm/input_state2": "output_state2"},
    ),
    "keyword, x as wide as h": (
        stateful.keyword_spotter, {"same": True}, "scores",
        {"lstm/input_state1": "output_state1", "lstm/input_state2": "output_state2"},
    ),
    "stacked": (stateful.stacked_states, {}, "mask", {"in_states": "out_states"}),
    "fused, with lengths, state fed": (fused.two_layers, {"taken": "GatherNd"}, "scores", FED),
    "fused, with lengths taken by Gather, one utterance": (
        fused.two_layers, {"taken": "Gather", "batch": 1}, "scores", FED
    ),
    "fused, with lengths, variables": (
        fused.two_layers, {"taken": "GatherNd", "kept": "variables"}, "scores", {name: f"new_{name}" for name in FED}
    ),
    "fused, last step, state fed": (fused.two_layers, {}, "scores", FED),
    "fused, last step, c and h in one input": (
        fused.two_layers, {"kept": "packed"}, "scores", {"memory_0": "after_0", "memory_1": "after_1"}
    ),
    "fused, peephole and lengths": (
        fused.two_layers, {"taken": "GatherNd", "use_peephole": True, "cell_clip": 0.5}, "scores", FED
    ),
}  # fmt: skip


@pytest.fixture(params=FAMILIES)
def family(request):
    make, options, main, pairs = FAMILIES[request.param]
    return make(**options), main, pairs


@pytest.fixture(params=[pytest.param("mo", marks=[pytest.mark.requires_mo, pytest.mark.sampled]), "openvino"])
def to_ir(request, tmp_path):
    """`to_ir(graph, state)` → (ov.Model, what was said)."""

    def by_mo(graph, state="external"):
        arguments = ["--transformations_config", str(EXTENSIONS / "internal_state.json")] if state == "internal" else []
        return mo(graph.save(tmp_path / "model.pb"), *arguments)

    def by_openvino(graph, state="external"):
        result = convert(
            graph.save(tmp_path / "model.pb"), tmp_path, name="ir", converter="openvino", state=state, verify=False
        )
        return ov.Core().read_model(result.files[0]), "\n".join(result.notes)

    return by_mo if request.param == "mo" else by_openvino


def frames(graph, pairs: dict, seed: int) -> dict:
    return {name: value for name, value in graph.feeds(seed).items() if name.removesuffix(":0") not in pairs}


@pytest.mark.sampled
def test_state_is_carried_outside(family, to_ir):
    graph, main, pairs = family
    model, said = to_ir(graph)
    assert read_metadata(model)["states"] == pairs
    assert all(name in said for name in pairs)
    expected = expected_calls(graph, main, pairs)
    request = compiled(model).create_infer_request()
    states = {name: np.zeros(model.input(name).get_shape(), np.float32) for name in pairs}
    for seed, (value, new) in enumerate(expected):
        request.infer({**frames(graph, pairs, seed), **states})
        states = {name: request.get_tensor(output).data.copy() for name, output in pairs.items()}
        assert_close(request.get_tensor(main).data, value, 1e-6)
        for name in pairs:
            assert_close(states[name], new[name], 3e-6)
            assert np.abs(new[name]).max() > 0.1


@pytest.mark.sampled
def test_state_is_carried_inside(family, to_ir):
    graph, main, pairs = family
    model, _ = to_ir(graph, state="internal")
    counts = op_counts(model)
    assert counts["ReadValue"] == counts["Assign"] == len(pairs)
    assert not set(pairs) & set().union(*(port.get_names() for port in model.inputs))
    (output,) = model.outputs
    assert main in output.get_names()
    assert read_metadata(model)["state"] == "internal"
    expected = expected_calls(graph, main, pairs)
    request = compiled(model).create_infer_request()
    for _ in range(2):  # the second time after a reset
        request.reset_state()
        for seed, (value, _) in enumerate(expected):
            request.infer(frames(graph, pairs, seed))
            assert_close(request.get_tensor(main).data, value, 1e-6)
            inside = {state.name: state.state.data for state in request.query_state()}
            for name in pairs:
                assert_close(inside[name], expected[seed][1][name], 3e-6)


def test_a_second_call_needs_the_state_of_the_first(family):
    """What the tests above compare would differ without the state."""
    graph, main, pairs = family
    (first, _), (second, _) = expected_calls(graph, main, pairs)[:2]
    with session(graph.graph_def) as run:
        if graph.reset:
            run(graph.reset)
        zeros = {f"{name}:0": np.zeros_like(graph.feeds()[f"{name}:0"]) for name in pairs if not graph.reset}
        anew = run(f"{main}:0", graph.feeds(1) | zeros)
    assert first.shape == second.shape
    assert np.abs(anew - second).max() > 0.01


@pytest.mark.requires_mo
def test_internal_state_needs_a_state(tmp_path):
    path = foreign.gru().save(tmp_path / "model.pb")
    with pytest.raises(MOError, match="nor another recurrent cell whose state goes from call to call"):
        mo(path, "--transformations_config", str(EXTENSIONS / "internal_state.json"))
    with pytest.raises(RecipeError, match="nor any other state to carry"):
        convert(path, tmp_path / "out", converter="openvino", state="internal")
