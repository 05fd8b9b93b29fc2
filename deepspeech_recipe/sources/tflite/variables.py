"""Variables of a .tflite file, in which Keras' stateful layers keep their states, as TensorFlow's variables.

A handle has the variable's name; what it begins with is assigned by a subgraph that runs once, before the first call
(tensorflow/lite/kernels/call_once.cc, var_handle.cc, read_variable.cc, assign_variable.cc).
"""

import numpy as np

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.sources.tflite.file import Operation, TFLiteModel
from deepspeech_recipe.sources.tflite.graph import GraphWriter

_REMEDY = "Export the model in float32, with states that begin with constants"


def write_call_once(writer: GraphWriter, operation: Operation) -> None:
    """Takes what the variables begin with out of the subgraph that is called."""
    number = int(operation.option(writer.schema.CallOnceOptions, "InitSubgraphIndex"))
    model = writer.model.subgraph(number)
    handles: dict[int, str] = {}
    for each in model.operations:
        if each.kind == "VAR_HANDLE":
            handles[each.outputs[0]] = _shared_name(writer, each)
        elif each.kind == "ASSIGN_VARIABLE" and (value := model.constant(each.inputs[1])) is not None:
            writer.first_values[handles[each.inputs[0]]] = _checked(model, each.inputs[1], value)
        else:
            raise Refusal(f"A variable begins with what {each.kind} computes", remedy=_REMEDY)


def write_handle(writer: GraphWriter, operation: Operation) -> None:
    """Remembers which variable a tensor is the handle of."""
    writer.handles[operation.outputs[0]] = _shared_name(writer, operation)


def write_read(writer: GraphWriter, operation: Operation) -> None:
    """Reads a variable: as it is before the call, or what was assigned to it within the call."""
    name, out = _named(writer, operation), operation.outputs[0]
    if name not in writer.current_values:
        first = writer.first_values.get(name)
        value = np.zeros(writer.model.shape(out), np.float32) if first is None else first
        writer.variables[name] = writer.variable(name, _checked(writer.model, out, value))
        writer.current_values[name] = writer.read_variable(writer.variables[name])
    writer.is_same(out, writer.current_values[name])


def write_assign(writer: GraphWriter, operation: Operation) -> None:
    """Remembers a variable's new value."""
    writer.current_values[_named(writer, operation)] = writer.read(operation.inputs[1])


def write_new_values(writer: GraphWriter) -> None:
    """Gives the variables that are read before they are assigned what the call ends with, once all is written."""
    for name, variable in writer.variables.items():
        if writer.current_values[name] != writer.read_variable(variable):
            writer.assign(variable, writer.current_values[name], "assign")


def _shared_name(writer: GraphWriter, operation: Operation) -> str:
    name = operation.option(writer.schema.VarHandleOptions, "SharedName") or b""
    return name.decode(errors="replace") or "variable"


def _named(writer: GraphWriter, operation: Operation) -> str:
    handle = operation.inputs[0]
    if handle not in writer.handles:
        raise RecipeError(f"'{writer.model.name(handle)}' is not the handle of a variable; the file is damaged.")
    return writer.handles[handle]


def _checked(model: TFLiteModel, number: int, value: np.ndarray) -> np.ndarray:
    if model.type_name(number) != "FLOAT32":
        raise Refusal(f"A variable is of the type {model.type_name(number)}", node=model.name(number), remedy=_REMEDY)
    return value
