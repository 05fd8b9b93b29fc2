"""Runs an IR call after call: its state is carried here, wherever the IR keeps it."""

from __future__ import annotations

import ctypes
import functools
import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.files import last_line
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.names import INTERNAL, stem
from deepspeech_recipe.ir.options import FULL_PRECISION, PRECISION, PRECISIONS
from deepspeech_recipe.ir.ov_api import opset, ov, rebuild

_CAPABILITIES = {"bf16": "BF16", "f16": "FP16"}  # what OpenVINO calls a device's ability to compute so


class StatefulModel:
    """Runs an IR of this project, of any recipe, call after call, and carries its state.

        model = StatefulModel("model.xml")
        model({"frames": block})["scores"]      # as often as there are blocks
        model.reset()                           # a new stream

    inputs, outputs: the names of what goes in and comes out besides the state. metadata: what the IR says of itself.
    Not for several threads at once: make one for every stream.
    """

    def __init__(self, ir, *, device: str = "CPU", config: dict | None = None, extra: Mapping | None = None):
        """ir: an IR's .xml, an ov.Model, or an opened `ir.model.IR`. extra: name → ov.Output of the model, further
        tensors that a call gives. Raises RecipeError if the IR has no metadata, or lacks a state's tensor."""
        self._ir = IR(ir, "the model")
        self._extra = tuple(extra or ())
        self.metadata, self.inputs, self.outputs = self._ir.metadata, self._ir.inputs, self._ir.outputs
        model = self._ir.model
        self._first_extra = len(model.outputs)
        if extra:
            model = rebuild(model, results=[*model.get_results(), *map(opset.result, extra.values())])
        self._request = compile_model(model, device, self._ir.name, config).create_infer_request()
        self.reset()

    @property
    def states(self) -> dict[str, np.ndarray]:
        """Copies of the states by the names of their inputs."""
        if self._ir.state == INTERNAL:
            return {each.name: each.state.data.copy() for each in self._request.query_state()}
        return {name: value.copy() for name, value in self._states.items()}

    def reset(self, rows: int | None = None, states: Mapping[str, np.ndarray] | None = None) -> None:
        """Begins a new stream, with the model's initial state. rows: the batch, for states that leave it open (1 by
        default). states: other values for the external states to begin with; they are copied."""
        if self._ir.state == INTERNAL:
            self._request.reset_state()
        given = self._ir.first_states(rows) if states is None else states
        self._states = {name: np.array(value) for name, value in given.items()}

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One call: values of `inputs` by name → copies of `outputs`. Raises RecipeError for other names."""
        given = {stem(name): value for name, value in feeds.items()}
        if set(given) != set(self.inputs):
            raise RecipeError(
                f"{self._ir.name}: takes {', '.join(self.inputs)}; it was given {some_of(given, none='nothing')}."
            )
        self._request.infer(self._ir.feeds({**given, **self._states}))
        # Copies: the tensors are views on memory that the next call overwrites.
        self._states = self._ir.new_states(self._request)
        found = {name: self._ir.view(self._request, name).copy() for name in self.outputs}
        for place, name in enumerate(self._extra, self._first_extra):
            found[name] = self._request.get_output_tensor(place).data.copy()
        return found


def compile_model(model, device: str, name: str, config: dict | None = None, precision: str = FULL_PRECISION):
    """In that precision if the device lets one choose. Raises RecipeError if it does not compile."""
    core = ov.Core()
    try:
        choice = {}
        if PRECISION in core.get_property(device, "SUPPORTED_PROPERTIES"):
            choice[PRECISION] = precision
        return core.compile_model(model, device, choice | (config or {}))
    except RuntimeError as error:
        devices = ", ".join(core.available_devices)
        raise RecipeError(
            f"{name}: does not compile for {device} ({last_line(error)}). Devices here: {devices}."
        ) from None


def check_precision(device: str, precision: str) -> None:
    """Raises RecipeError if the device does not compute in that precision: OpenVINO would not say that it takes
    another one."""
    if precision == FULL_PRECISION:
        return
    if precision not in PRECISIONS:
        raise RecipeError(f"The precision must be one of {', '.join(PRECISIONS)}, not {precision!r}.")
    known = _capabilities(device)
    if _CAPABILITIES[precision] not in known:
        raise RecipeError(
            f"{device} does not compute in {precision} on this machine (OpenVINO says {', '.join(known)}). "
            f"Leave --precision out: that is {FULL_PRECISION}."
        )


def _capabilities(device: str) -> list[str]:
    core = ov.Core()
    try:
        return [str(each) for each in core.get_property(device, "OPTIMIZATION_CAPABILITIES")]
    except RuntimeError as error:
        devices = ", ".join(core.available_devices)
        raise RecipeError(
            f"{device} does not say in what it computes ({last_line(error)}). Devices here: {devices}."
        ) from None


def forget_weights(xml: Path) -> None:
    """Lets go of an IR's weights in memory, once it is compiled: the device has them in a form of its own, and the
    mapped file would stay beside it. What is needed once more is read from the file again. On Linux."""
    with suppress(OSError, AttributeError, ValueError):
        weights, madvise = str(xml.with_suffix(".bin").resolve()), ctypes.CDLL(None).madvise
        for line in Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines():
            place, access, *_, file = line.split(maxsplit=5)
            if file == weights and "w" not in access:
                start, end = (int(address, 16) for address in place.split("-"))
                madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


@functools.cache
def default_precision(device: str) -> str:
    """In which a device computes if nobody asks for another: 'f32', 'bf16' on processors with AMX, 'f16' on GPUs.

    Only a compiled model tells. Raises RecipeError if the device compiles none.
    """
    core = ov.Core()
    try:
        if PRECISION not in core.get_property(device, "SUPPORTED_PROPERTIES"):
            return FULL_PRECISION
        x = opset.parameter([1, 1], np.float32)
        compiled = core.compile_model(ov.Model([opset.relu(x)], [x]), device)
    except RuntimeError as error:
        raise RecipeError(
            f"Nothing compiles for {device} ({last_line(error)}). Devices here: {', '.join(core.available_devices)}."
        ) from None
    return compiled.get_property(PRECISION).get_type_name()


def device_name(device: str) -> str:
    """What OpenVINO calls a device of that name in full: 'Intel(R) Xeon(R) …' for the CPU."""
    try:
        return str(ov.Core().get_property(device, "FULL_DEVICE_NAME"))
    except RuntimeError:
        return "no name"


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Makes one line, with the IR's name, of what OpenVINO says of a model that it cannot run."""
    try:
        yield
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # OpenVINO's have no type of their own
            raise
        raise RecipeError(f"{name}: OpenVINO cannot run it ({last_line(error)}). Convert the model again.") from error
