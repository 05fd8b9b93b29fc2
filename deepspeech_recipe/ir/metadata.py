"""Metadata in an IR: one JSON string at rt_info ["deepspeech_recipe", "json"]."""

from __future__ import annotations

import base64
import json

from deepspeech_recipe.alphabet import label_texts
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.metadata_schema import check_metadata
from deepspeech_recipe.ir.options import FULL_PRECISION

PATH = ["deepspeech_recipe", "json"]


def is_acoustic(metadata: dict) -> bool:
    """Whether an IR has the contract of an acoustic model, whose states have names of their own; others name them."""
    return "states" not in metadata


def alphabet_json(labels) -> dict:
    """Labels as text, or in base64 if they are not text by themselves."""
    texts = label_texts(labels)
    if texts is None:
        return {"encoding": "base64", "labels": [base64.b64encode(label).decode() for label in labels]}
    return {"encoding": "utf-8", "labels": texts}


def alphabet_labels(alphabet: dict | None) -> list[bytes] | None:
    """The inverse of alphabet_json."""
    if alphabet is None:
        return None
    if alphabet["encoding"] == "base64":
        return [base64.b64decode(label) for label in alphabet["labels"]]
    return [label.encode() for label in alphabet["labels"]]


def write_metadata(model, metadata: dict) -> None:
    """Stores metadata in the ov.Model, with the precision that it should be compiled with."""
    metadata = {**metadata, "inference_precision": FULL_PRECISION}
    model.set_rt_info(json.dumps(metadata, ensure_ascii=True, separators=(",", ":")), PATH)


def metadata_of(model) -> dict:
    """Metadata of an ov.Model, {} without any."""
    return read_metadata(model) if model.has_rt_info(PATH) else {}


def read_metadata(model) -> dict:
    """Metadata of an ov.Model. Raises RecipeError if there is none, or what it says cannot be (`metadata_schema`)."""
    if not model.has_rt_info(PATH):
        raise RecipeError(
            "The IR has no deepspeech_recipe metadata. Convert the model with `deepspeech-recipe convert`, or with mo "
            "and the plugin"
        )
    value = model.get_rt_info(PATH)
    try:
        metadata = json.loads(value.value if hasattr(value, "value") else value)
    except (TypeError, ValueError, RecursionError):
        raise RecipeError("The IR's metadata is damaged: it is not JSON. Convert the model again") from None
    check_metadata(metadata)
    return metadata
