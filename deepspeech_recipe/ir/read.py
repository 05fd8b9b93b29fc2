"""Reads IRs as users name them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar
from xml.parsers import expat

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, last_line, reading
from deepspeech_recipe.ir.ov_api import ov


def read_ir(path: str | os.PathLike):
    """The ov.Model of an IR's .xml. Raises RecipeError if it is not an IR or its .bin is missing."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"{path}: no such file. Give an IR (.xml), as `deepspeech-recipe convert` writes it.")
    with error_context(path), reading(path):
        with path.open("rb") as file:
            start = file.read(4096)
        if b"<net" not in start:
            raise RecipeError(f"{path}: is not an IR. Give the .xml that `deepspeech-recipe convert` or mo wrote.")
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise RecipeError(f"{path}: its weights '{weights.name}' are not beside it. Copy both files.")
        _check(path)
        try:
            return ov.Core().read_model(str(path))
        except (RuntimeError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path}: is not an IR that OpenVINO can read ({last_line(error)}).") from None


def _check(path: Path) -> None:
    """What OpenVINO must not see: on another kind of file it tries every frontend it has, and each writes to stderr; a
    variable without a name, operations without inputs, constants without a shape and options out of
    range kill the process."""
    parser, checked = expat.ParserCreate(), _Elements()
    parser.StartElementHandler, parser.EndElementHandler = checked.start, checked.end
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise RecipeError(f"{path}: is damaged: it is not well-formed XML ({error}). Copy it again.") from None
    if checked.reason:
        raise RecipeError(f"{path}: is damaged: {checked.reason}. Copy it again.")


class _Elements:
    """reason: what is wrong with the first element that OpenVINO could not bear, if there is one."""

    _LARGEST_OPTION: ClassVar = 2**31 - 1
    _OF_A_CONSTANT: ClassVar = ("element_type", "shape", "offset", "size")

    def __init__(self):
        self.reason, self._open = "", []
        self._networks: list[_Network] = []  # the model, and the bodies of loops within it

    def start(self, tag: str, attributes: dict) -> None:
        if not self._open and (tag != "net" or attributes.get("version") not in ("10", "11")):
            self._refuse("it does not begin with <net> of version 10 or 11")
        if tag == "layers":
            self._networks.append(_Network())
        elif self._networks:
            self._networks[-1].add(tag, attributes)
        if self._open and self._open[-1][0] == "runtime_options":
            self._check_option(tag, attributes.get("value", ""))
        if tag == "data" and self._open and self._open[-1][0] == "layer":
            layer = self._open[-1][1]
            layer["variable_id"] = attributes.get("variable_id")
            missing = [key for key in self._OF_A_CONSTANT if layer.get("type") == "Const" and key not in attributes]
            if missing:
                self._refuse(f"the constant '{layer.get('name')}' has no {missing[0]}")
        self._open.append((tag, attributes))

    def end(self, tag: str) -> None:
        _, attributes = self._open.pop()
        if tag == "layer" and attributes.get("type") in ("ReadValue", "Assign") and not attributes.get("variable_id"):
            self._refuse(f"the layer '{attributes.get('name')}' keeps a state, but does not say which")
        if tag == "edges" and self._networks:
            missing = self._networks.pop().without_inputs()
            if missing is not None:
                self._refuse(f"the layer '{missing}' has fewer inputs than its operation needs")

    def _check_option(self, name: str, value: str) -> None:
        """A size of groups beyond 32 bits is 0 to OpenVINO 2024.6, which divides by it."""
        digits = value.strip().lstrip("0")
        if digits.isdecimal() and (len(digits) > 10 or int(digits) > self._LARGEST_OPTION):
            self._refuse(f"its runtime option {name} is {digits[:20]}, at most {self._LARGEST_OPTION} can be")

    def _refuse(self, reason: str) -> None:
        self.reason = self.reason or reason


class _Network:
    """The layers of a network, or of a loop's body, whose inputs OpenVINO takes to be there without a look."""

    _INPUTS: ClassVar = {"Broadcast": 2, "Slice": 4}

    def __init__(self):
        self._layers: dict[str, tuple[str, int]] = {}  # id → name, inputs
        self._fed: dict[str, set] = {}

    def add(self, tag: str, attributes: dict) -> None:
        if tag == "layer" and attributes.get("type") in self._INPUTS:
            self._layers[attributes.get("id", "")] = attributes.get("name", ""), self._INPUTS[attributes["type"]]
        elif tag == "edge":
            self._fed.setdefault(attributes.get("to-layer", ""), set()).add(attributes.get("to-port"))

    def without_inputs(self) -> str | None:
        for number, (name, inputs) in self._layers.items():
            if len(self._fed.get(number, ())) < inputs:
                return name
        return None
