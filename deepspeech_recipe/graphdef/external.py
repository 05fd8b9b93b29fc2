"""Large constants that lie outside of their GraphDef: protobuf copies what is put into a message, and again at each
access, and keeps it until the whole message goes.

A TensorProto refers to such an array by its number, which survives copies of the message. The array itself is kept by
whoever has the graph (`sources.LoadedModel.external`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from weakref import WeakValueDictionary

import numpy as np

from deepspeech_recipe.errors import RecipeError

LARGE = 2**16  # elements; smaller constants lie in the graph
_BITS = 63  # a number that a file holds is nobody's


class External:
    """(values - zero) · scale, float32, computed for the part that is read; values themselves if there is no scale.

    values: as they are stored, a view on a file's bytes for one. scale, zero: such that they broadcast to values.
    forget: called whenever a part was read, and is a copy.
    """

    def __init__(self, values: np.ndarray, scale=None, zero=None, forget: Callable[[], None] | None = None):
        self.shape, self.dtype = values.shape, values.dtype if scale is None else np.dtype(np.float32)
        self._values, self._scale, self._zero, self._forget = values, scale, zero, forget
        self.number = secrets.randbits(_BITS) or 1
        _arrays[self.number] = self

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index) -> np.ndarray:
        scale, zero = (each if each is None else np.broadcast_to(each, self.shape)[index] for each in self._parts())
        part = dequantized(self._values[index], scale, zero)
        if self._forget is None:
            return part
        part = part.copy()
        self._forget()
        return part

    @property
    def T(self) -> External:
        """The matrix turned."""
        scale, zero = (each if each is None else np.broadcast_to(each, self.shape).T for each in self._parts())
        return External(self._values.T, scale, zero, self._forget)

    def _parts(self) -> tuple:
        return self._scale, self._zero


_arrays: WeakValueDictionary[int, External] = WeakValueDictionary()


def dequantized(values: np.ndarray, scale, zero) -> np.ndarray:
    """(values - zero) · scale, or the values if there is no scale."""
    if scale is None:
        return values
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged scale is not a reason to print
        return values * scale if zero is None else (values - zero).astype(np.float32) * scale


def outside_if_large(values: np.ndarray, scale=None, zero=None) -> np.ndarray | External:
    """What goes into a graph for `dequantized(values, scale, zero)`: an External if that is large."""
    return External(values, scale, zero) if values.size >= LARGE else dequantized(values, scale, zero)


def external(tensor) -> External | None:
    """What a TensorProto refers to, None if it holds its value itself (TensorFlow's own messages always do).

    Raises RecipeError if it is gone."""
    number = getattr(tensor, "external", 0)
    if not number:
        return None
    found = _arrays.get(number)
    if found is None:
        raise RecipeError("A constant refers to values that are not there; the file is damaged.")
    return found
