"""What every kind of model file is turned into."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deepspeech_recipe.alphabet import parse_alphabet
from deepspeech_recipe.files import atomic_path
from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.graphdef.proto import Message
from deepspeech_recipe.ir.audio_settings import settings_of
from deepspeech_recipe.ir.metadata import alphabet_json
from deepspeech_recipe.sources.stream import write_graph

TYPED = "typed"  # in an IR's metadata: the keys whose values the user gave
# What a file itself may not know, by the keywords of `open_model`: of any model, and of a graph that is rebuilt.
METADATA = ("alphabet", "sample_rate", "window_ms", "step_ms", "beam_width", "language")
SHAPE = ("n_steps", "n_context", "upper_frequency")


@dataclass(frozen=True)
class Given:
    """What the user typed, which goes before what a file says.

    metadata: by the keys of METADATA. shape: of a graph that is rebuilt from variables, by those of SHAPE:
    n_steps (-1: open), n_context, upper_frequency (Hz).
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)
    shape: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model read from `path`.

    graph: a GraphDef (`deepspeech_recipe.graphdef.proto`), frozen; a state variable, as v0.2 to v0.5 have it, is one
    still, or a constant of its initial value that the graph assigns to (`GraphView.is_variable`).
    kind: "pb", "pb text", "pbmm", "checkpoint", "saved_model", "tflite" or "archive: …".
    overrides: what the user typed; it goes before what the graph says.
    metadata: what was found beside the graph (an alphabet.txt); the graph goes before it.
    Both have the keys of METADATA: the serialized alphabet (bytes), Hz, milliseconds (int), the beam width and
    the language (str).
    notes: lines for a person, about what was found and done.
    external: what large constants of the graph refer to (`graphdef.external`): they live as long as this.
    """

    path: Path
    kind: str
    graph: Message
    overrides: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    external: tuple[External, ...] = field(default=(), repr=False)

    def without_graph(self) -> "LoadedModel":
        """The rest, which holds no weights."""
        return replace(self, graph=None, external=())

    def complete(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """An IR's metadata as the graph says it, completed: what was typed goes before it, and it goes before what lay
        beside the model."""
        completed = without_other_client(metadata, self.overrides)
        for key in METADATA:
            if key in self.overrides:
                completed[key] = _json(key, self.overrides[key])
            elif completed.get(key) is None and key in self.metadata:
                completed[key] = _json(key, self.metadata[key])
        return completed

    def write_pb(self, destination: str | os.PathLike) -> None:
        """Writes the graph as a .pb, which appears whole or not at all; needs memory for one constant more."""
        with atomic_path(destination) as temporary, temporary.open("wb") as file:
            write_graph(self.graph, file)


def without_other_client(metadata: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata without what the client of that time computed (`ir.audio_settings.ClientSettings`), if the rate, window
    or step that the user typed is another one's."""
    features = metadata.get("features")
    if features is None or "pre_emphasis" not in features or not settings_of(features).contradicted(typed):
        return dict(metadata)
    return {**metadata, "features": None, "upper_frequency": None}


def _json(key: str, value: Any) -> Any:
    return alphabet_json(parse_alphabet(value)) if key == "alphabet" else value
