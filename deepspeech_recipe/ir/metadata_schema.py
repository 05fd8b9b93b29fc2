"""What the metadata of an IR may hold: an IR is a file as any other, and its JSON may have been damaged or changed.

Keys that are not in the tables are a recipe's own, and are not looked at.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.options import CHOICES, DYNAMIC

_MOST = 2**31 - 1
_LONGEST_VALUE = 60
_NESTED = 8  # of rows in rows: more dimensions than any state has


@dataclass(frozen=True)
class Kind:
    """what: how to say it; accepts: whether a JSON value is of it. None is of no kind, unless `optional`."""

    what: str
    accepts: Callable[[object], bool]
    optional: bool = False


def _whole(low: int, high: int = _MOST, *, optional: bool = False, word: str | None = None) -> Kind:
    def accepts(value) -> bool:
        return (isinstance(value, int) and not isinstance(value, bool) and low <= value <= high) or (
            word is not None and value == word
        )

    return Kind(f"a whole number from {low} to {high}{f' or {word!r}' if word else ''}", accepts, optional)


def _number(low: float, high: float, *, optional: bool = False) -> Kind:
    def accepts(value) -> bool:
        return _is_number(value) and low <= value <= high

    return Kind(f"a number from {low:g} to {high:g}", accepts, optional)


def _one_of(*words: str) -> Kind:
    return Kind(f"one of {', '.join(words)}", lambda value: isinstance(value, str) and value in words)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def _is_text(value) -> bool:
    """Half of a pair of surrogates, which JSON can spell, is not."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _are_texts(value) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_alphabet(value) -> bool:
    if not isinstance(value, dict) or not _are_texts(value.get("labels")) or len(value["labels"]) >= 2**16:
        return False
    if value.get("encoding") == "base64":
        try:
            return all(base64.b64decode(label, validate=True) is not None for label in value["labels"])
        except ValueError:
            return False
    return value.get("encoding") == "utf-8"


def _are_rows(value, depth: int = 0) -> bool:
    if not isinstance(value, list):
        return _is_number(value) and abs(value) <= np.finfo(np.float32).max
    return depth < _NESTED and bool(value) and all(_are_rows(each, depth + 1) for each in value) and _is_even(value)


def _is_even(value: list) -> bool:
    lengths = {len(each) if isinstance(each, list) else -1 for each in value}
    return len(lengths) == 1


def _map_of(accepts: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(_is_text(key) and accepts(each) for key, each in value.items())


_TEXT, _OPTIONAL_TEXT = Kind("a text", _is_text), Kind("a text", _is_text, optional=True)
_FLAG = Kind("true or false", lambda value: isinstance(value, bool))
_SIZE = _whole(1, 2**24)

_FEATURES = {
    "window_size": _whole(2, 2**20),
    "stride": _whole(1, 2**20),
    "magnitude_squared": _FLAG,
    "sample_rate": _whole(1, 768_000),
    "upper_frequency_limit": _number(0, 1e6),
    "lower_frequency_limit": _number(0, 1e6),
    "filterbank_channel_count": _whole(1, 4096),
    "dct_coefficient_count": _whole(1, 4096),
    "window": _one_of("rectangular", "hamming"),
    "look_stride": _whole(1, 2**20),
    "pre_emphasis": _number(0, 1),
    "lifter": _whole(1, 4096),
}
_NEEDED_FEATURES = ("window_size", "stride", "sample_rate")

_EVERY = {
    "recipe": _TEXT,
    "recipe_version": _TEXT,
    "converter": _TEXT,
    "inference_precision": _TEXT,
    "state": _one_of(*CHOICES["state"], "none"),
    "initial_state": Kind("finite numbers, in rows of equal length, for each state", _map_of(_are_rows)),
}
_ACOUSTIC = {
    **_EVERY,
    "generation": _OPTIONAL_TEXT,
    "graph_version": _whole(0, optional=True),
    "sample_rate": _whole(1, 768_000, optional=True),
    "window_ms": _whole(0, 60_000, optional=True),
    "step_ms": _whole(0, 60_000, optional=True),
    "upper_frequency": _number(0, 1e6, optional=True),
    "beam_width": _whole(1, 100_000, optional=True),
    "language": _OPTIONAL_TEXT,
    "alphabet": Kind("an encoding (utf-8 or base64) and labels in it", _is_alphabet, optional=True),
    "features": Kind("an object", lambda value: isinstance(value, dict), optional=True),
    "n_input": _whole(1, 2**16),
    "n_context": _whole(0, 4096),
    "hidden_size": _SIZE,
    "dense_sizes": Kind(
        f"a list of sizes, each {_SIZE.what}", lambda v: isinstance(v, list) and all(map(_SIZE.accepts, v))
    ),
    "classes": _SIZE,
    "layer_norm": _FLAG,
    "bidirectional": _FLAG,
    "head": _one_of(*CHOICES["head"]),
    "time_steps": _whole(1, word=DYNAMIC),
    "batch": _whole(1, word=DYNAMIC),
    "lengths": _one_of(*CHOICES["lengths"]),
    "audio": _one_of(*CHOICES["audio"]),
    "weights": _one_of(*CHOICES["weights"]),
    "typed": Kind("a list of names", _are_texts),
}
_STATEFUL = {
    **_EVERY,
    "states": Kind("an output's name for each input's", _map_of(_is_text)),
    "inputs": Kind("a list of names", _are_texts),
    "outputs": Kind("a list of names", _are_texts),
    "graph": Kind("a list of names for each tensor", _map_of(_are_texts)),
    "weights": _one_of(*CHOICES["weights"]),
    "frozen": Kind("a number for each input", _map_of(_is_number)),
}


def check_metadata(metadata, needed: tuple[str, ...] = ()) -> None:
    """Raises RecipeError, with the key, what it is and what it should be. needed: keys that must be there."""
    if not isinstance(metadata, dict):
        raise _wrong("The whole of it", metadata, "an object")
    _check(metadata, _STATEFUL if "states" in metadata else _ACOUSTIC, "")
    for key in needed:
        if key not in metadata:
            raise _missing(key)
    features = metadata.get("features")
    if "states" in metadata or features is None:
        return
    for key in features:
        if key not in _FEATURES:
            raise _wrong("features", {key: features[key]}, f"an object of {', '.join(_FEATURES)}")
    _check(features, _FEATURES, "features.")
    for key in _NEEDED_FEATURES:
        if key not in features:
            raise _missing(f"features.{key}")


def _check(values: Mapping, schema: Mapping[str, Kind], prefix: str) -> None:
    for key, kind in schema.items():
        if key in values and not (values[key] is None and kind.optional) and not kind.accepts(values[key]):
            raise _wrong(f"'{prefix}{key}'", values[key], kind.what)


def _wrong(key: str, value, what: str) -> RecipeError:
    text = repr(value)
    text = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
    return RecipeError(f"The IR's metadata is damaged: {key} is {text}, it must be {what}. Convert the model again")


def _missing(key: str) -> RecipeError:
    return RecipeError(f"The IR's metadata is damaged: '{key}' is missing. Convert the model again")
