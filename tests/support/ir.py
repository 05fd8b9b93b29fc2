"""Runs IRs that follow the contract, the way tests/support/reference.py runs graphs."""

import numpy as np

from deepspeech_recipe.ir.ov_api import ov
from tests.support.reference import Reference

_CORE = ov.Core()


def compiled(model):
    """On the CPU, in plain FP32: reduced precision would hide errors of the conversion."""
    return _CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})


def op_counts(model) -> dict[str, int]:
    names = [op.get_type_name() for op in model.get_ops()]
    return {name: names.count(name) for name in names}


def assert_one_sequence(model) -> None:
    """One LSTMSequence, and nothing left of loops and of the last state's gathering."""
    counts = op_counts(model)
    assert counts["LSTMSequence"] == 1
    assert not counts.keys() & {"Loop", "TensorIterator", "If", "GatherND", "LSTMCell"}


def run_chunks(model, chunks: np.ndarray) -> Reference:
    """Chained chunks `[K, B, T, window, features]` from zero state, by the names of the contract."""
    request = compiled(model).create_infer_request()
    names = set().union(*(port.get_names() for port in model.inputs))
    outputs = set().union(*(port.get_names() for port in model.outputs))
    batch, hidden = chunks.shape[1], _hidden(model)
    state = {part: np.zeros((batch, hidden), np.float32) for part in "ch"}
    rows = []
    for chunk in chunks:
        feed = {"input_node": chunk}
        if "previous_state_c" in names:
            feed |= {f"previous_state_{part}": state[part] for part in "ch"}
        request.infer(feed)
        if "new_state_c" in outputs:
            state = {part: request.get_tensor(f"new_state_{part}").data.copy() for part in "ch"}
        logits = request.get_tensor("logits").data.copy()
        rows.append((logits, logits, state["c"], state["h"]))
    return Reference(*(np.stack(column) for column in zip(*rows, strict=True)))


def _hidden(model) -> int:
    lstm = next(op for op in model.get_ops() if op.get_type_name() == "LSTMSequence")
    return lstm.get_attributes()["hidden_size"]


def assert_same_numbers(found: Reference, expected: Reference, *, tolerance: float, states: bool = True) -> None:
    """tolerance: absolute, but relative to the largest value where that is above 1 (cell states are)."""
    for part in ("logits", "c", "h") if states else ("logits",):
        want = getattr(expected, part)
        largest = max(1.0, float(np.abs(want).max()))
        np.testing.assert_allclose(getattr(found, part), want, rtol=0, atol=tolerance * largest, err_msg=part)


def runtime_info(node, key: str) -> str:
    """What the plugin says of a node of its runtime model."""
    value = node.get_rt_info()[key]
    return value if isinstance(value, str) else value.get()
