"""What a graph says about itself besides its mathematics: sample rate, window, alphabet…

v0.5 wrote attributes of a NoOp `model_metadata`, v0.6 and later (and Coqui STT) constants `metadata_*`;
v0.2 to v0.4 wrote nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.alphabet import parse_alphabet
from deepspeech_recipe.graphdef.view import GraphView

_NOOP = "model_metadata"
_PREFIX = "metadata_"


@dataclass(frozen=True)
class Metadata:
    """form: 'none', 'noop' or 'constants'; window and step in milliseconds; alphabet: labels without the blank.

    None if the graph does not say.
    """

    form: str
    graph_version: int | None = None
    sample_rate: int | None = None
    window_ms: int | None = None
    step_ms: int | None = None
    beam_width: int | None = None
    alphabet: tuple[bytes, ...] | None = None
    language: str | None = None


def read_metadata(view: GraphView) -> Metadata:
    """Reads what the graph says. Raises RecipeError if its alphabet is damaged."""
    noop = view.nodes.get(_NOOP)
    if noop is not None:
        values, form = noop.attributes, "noop"
    else:
        names = [name for name in view.nodes if name.startswith(_PREFIX) and view.nodes[name].op == "Const"]
        values = {name[len(_PREFIX) :]: view.nodes[name].attribute("value") for name in names}
        form = "constants" if values else "none"
    return Metadata(
        form=form,
        graph_version=_integer(values.get("version")),
        sample_rate=_integer(values.get("sample_rate")),
        window_ms=_integer(values.get("feature_win_len")),
        step_ms=_integer(values.get("feature_win_step")),
        beam_width=_integer(values.get("beam_width")),
        alphabet=_alphabet(values.get("alphabet")),
        language=_text(values.get("language")),
    )


def _item(value):
    if hasattr(value, "size"):
        return value.reshape(-1)[0] if value.size == 1 else None
    return value


def _integer(value) -> int | None:
    value = _item(value)
    is_whole = isinstance(value, (int, np.integer)) or (isinstance(value, (float, np.floating)) and value == value // 1)
    return int(value) if is_whole else None


def _text(value) -> str | None:
    value = _item(value)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
    # Coqui's exporter writes its help text, in angle brackets, if no language was given.
    return text if text and not text.startswith("<") else None


def _alphabet(value) -> tuple[bytes, ...] | None:
    value = _item(value)
    if not isinstance(value, bytes) or not value:
        return None
    return tuple(parse_alphabet(value, what="metadata_alphabet"))
