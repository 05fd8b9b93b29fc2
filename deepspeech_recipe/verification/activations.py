"""How an IR is run to be judged: in FP32, and in the ways in which a device may compute it less exactly.

Weights of 8 bits are multiplied by activations that some processors round to 8 bits too, when they compute.
Three ways to run such an IR tell what is whose: with rounding forbidden, which shows what the IR says; as it is, which
shows what this device makes of it; and with rounding forbidden but written out, as oneDNN does it: groups of 32 values,
each with a scale of its own, the largest value / 127. What the device differs by must be what rounding explains.

A device may compute in less than FP32 unless it is asked not to. This project asks; what other programs get is one way
more, which nothing is judged by.
"""

from collections.abc import Mapping

import numpy as np

from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.options import FULL_PRECISION, PRECISION
from deepspeech_recipe.ir.ov_api import i64, opset, ov
from deepspeech_recipe.ir.runner import default_precision
from deepspeech_recipe.verification.report import Check
from deepspeech_recipe.verification.stored import bodies, stored_matrix
from deepspeech_recipe.verification.weights import EXPLAINED, EXPLAINED_ON_AVERAGE

AS_IT_IS, EXACT, ROUNDED = "as it is", "activations in fp32", "activations rounded"
BY_DEFAULT = "in the device's default precision"
_OPTION = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
_GROUP, _LARGEST = 32, 127


def ways_of(model, weights: str, device: str) -> tuple[str, ...]:
    """The ways in which an IR is run: the first is compared with the original, the others with the first."""
    less = () if default_precision(device) == FULL_PRECISION else (BY_DEFAULT,)
    if weights != "int8" or _OPTION not in ov.Core().get_property(device, "SUPPORTED_PROPERTIES"):
        return (AS_IT_IS, *less)
    path = ["runtime_options", _OPTION]
    forbidden = model.has_rt_info(path) and model.get_rt_info(path).astype(str) == "0"
    return (EXACT, *less) if forbidden else (EXACT, AS_IT_IS, ROUNDED, *less)


def config_of(way: str, device: str) -> dict[str, str]:
    """What to compile with."""
    if way == BY_DEFAULT:
        return {PRECISION: default_precision(device)}
    return {} if way == AS_IT_IS else {_OPTION: "0"}


def in_way(ir: IR, way: str) -> IR:
    """The IR as it is run in that way."""
    if way != ROUNDED:
        return ir
    model = ir.model.clone()
    round_activations(model)
    return IR(model, ir.name)


def explained_check(moved: Mapping[str, float], least: float, average: bool = False) -> Check | None:
    """How far rounded activations move what an IR returns, beside what rounding explains. moved: by way."""
    if AS_IT_IS not in moved or ROUNDED not in moved:
        return None
    limit = (EXPLAINED_ON_AVERAGE if average else EXPLAINED) * moved[ROUNDED] + least
    name = f"rounded activations{' on average' if average else ''}"
    detail = f"rounding them to 8 bits explains {moved[ROUNDED]:.2g}"
    return Check(name, moved[AS_IT_IS] <= limit, moved[AS_IT_IS], limit, detail)


def default_precision_note(moved: Mapping[str, float], device: str) -> tuple[str, ...]:
    """A line on what programs get that do not ask for FP32, if this device makes a difference. moved: by way."""
    if BY_DEFAULT not in moved:
        return ()
    return (
        f"{device} computes in {default_precision(device)} unless a program asks for {FULL_PRECISION}: that moves what "
        f"the IR returns by up to {moved[BY_DEFAULT]:.2g}. Compile with {PRECISION}={FULL_PRECISION}",
    )


def round_activations(model) -> None:
    """Writes the rounding out, in place, in front of every product by weights of 8 bits."""
    for body in bodies(model):
        for node in body.get_ops():
            if node.get_type_name() == "MatMul" and not node.get_attributes()["transpose_a"]:
                stored = stored_matrix(node, 1)
                if stored is not None and stored.is_whole:
                    node.input(0).replace_source_output(_rounded(node.input_value(0), stored.values.shape[1]))
        body.validate_nodes_and_infer_types()


def _rounded(x, size: int):
    """The values `[…, size]` in groups of 8 bits."""
    axes = len(x.get_partial_shape())
    more = -size % _GROUP
    ends = i64(*[0] * (axes - 1), more)
    padded = opset.pad(x, np.zeros_like(ends), ends, "constant", np.float32(0)) if more else x.get_node()
    values = padded.output(0) if more else x
    groups = opset.reshape(values, i64(-1, _GROUP), False)
    largest = opset.reduce_max(opset.abs(groups), i64(1), True)
    scale = opset.maximum(opset.divide(largest, np.float32(_LARGEST)), np.float32(1e-30))
    rounded = opset.multiply(opset.round(opset.divide(groups, scale), "half_to_even"), scale)
    whole = opset.reshape(rounded, opset.shape_of(values), False)
    return (opset.slice(whole, i64(0), i64(size), i64(1), i64(axes - 1)) if more else whole).output(0)
