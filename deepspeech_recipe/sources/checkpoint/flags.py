"""The training's options, which lie beside a checkpoint as flags.txt."""

import json
from pathlib import Path
from typing import TypeVar

from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.sources.checkpoint.files import read_text

_Default = TypeVar("_Default", int, None)
_WHOLE = (
    *("n_steps", "export_batch_size", "export_beam_width"),
    *("audio_sample_rate", "feature_win_len", "feature_win_step"),
)


class Flags(dict):
    """Options by name, as the training was given them; empty if nothing says."""

    def whole(self, name: str, default: _Default) -> int | _Default:
        """A whole number; the default if the option is not there, or something else."""
        value = self.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def number(self, name: str, default: float) -> float:
        """A number, with fractions or without; the default if the option is not there, or something else."""
        value = self.get(name)
        return float(value) if isinstance(value, (int, float)) else default

    @property
    def language(self) -> str | None:
        language = self.get("export_language")
        # The exporter's placeholder explains itself in angle brackets.
        return language if isinstance(language, str) and language and not language.startswith("<") else None

    @property
    def is_bytes_model(self) -> bool:
        return bool(self.get("bytes_output_mode") or self.get("utf8"))


def read_flags(directory: Path) -> Flags:
    """JSON of Coqui STT, or `--name=value` lines of DeepSpeech ≥ 0.7. Raises RecipeError if flags.txt is damaged, or a
    number in it is out of range."""
    path = directory / "flags.txt"
    flags = _parse(path) if path.is_file() else Flags()
    for name in _WHOLE:
        if abs(flags.whole(name, 0)) >= 2**31:
            reason = f"{path}: '{name}' is out of range ({flags[name]})"
            raise Refusal(reason, remedy="Correct it, or remove it from the file")
    return flags


def _parse(path: Path) -> Flags:
    text = read_text(path)
    if text.lstrip().startswith("{"):
        try:
            return Flags(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"{path}: is damaged ({error}).") from None
    flags = Flags()
    for line in text.splitlines():
        if line.startswith("--"):
            name, equals, value = line.removeprefix("--").partition("=")
            if equals:
                flags[name] = _literal(value)
            elif name.startswith("no"):
                flags[name.removeprefix("no")] = False
            else:
                flags[name] = True
    return flags


def _literal(value: str):
    """A flag's value as JSON would have it: true, 8000, 0.5, or text."""
    try:
        return json.loads(value)
    except ValueError:
        return value
