"""Results as files: one for each recording and format, in folders as the recordings', whole or not at all."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from deepspeech_recipe.corpus import subtitles
from deepspeech_recipe.corpus.listing import Recording
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import atomic_path, existing_parent
from deepspeech_recipe.runtime.recordings.incoming import is_address, is_pipe
from deepspeech_recipe.runtime.result import Result


def as_json(name: str, result: Result) -> dict:
    """JSON values."""
    return {"file": name, **result.as_dict()}


def _document(name: str, result: Result) -> str:
    return json.dumps(as_json(name, result), indent=2, ensure_ascii=False) + "\n"


# Suffix → what the file holds.
FORMATS: dict[str, Callable[[str, Result], str]] = {
    "txt": lambda name, result: f"{result.text}\n",
    "srt": lambda name, result: subtitles.srt(result.words),
    "vtt": lambda name, result: subtitles.vtt(result.words),
    "json": _document,
}


class Outputs:
    """The files of a folder. model: with --resume, results that are older than it are made again."""

    def __init__(self, folder: str | os.PathLike, formats: Sequence[str], model: Path | None = None):
        """Raises RecipeError for a format that is not there, or a folder that cannot be made."""
        self._folder, self._formats = Path(folder), tuple(dict.fromkeys(formats))
        unknown = [each for each in self._formats if each not in FORMATS]
        if unknown or not self._formats:
            raise RecipeError(f"The formats are {', '.join(FORMATS)}, not '{','.join(unknown)}'.")
        parent = existing_parent(self._folder)
        if not os.access(parent, os.W_OK | os.X_OK):
            raise RecipeError(f"{self._folder}: no permission to write in the directory '{parent}'.")
        self._model = model

    def write(self, recording: Recording, result: Result) -> list[Path]:
        """Raises RecipeError if a file cannot be written."""
        paths = self._paths(recording)
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        for path, form in zip(paths, self._formats, strict=True):
            with atomic_path(path) as temporary:
                temporary.write_text(FORMATS[form](recording.name, result), encoding="utf-8")
        return paths

    def there(self, recording: Recording) -> bool:
        """Whether all of a recording's files are there, newer than it and the model. A pipe has no age."""
        try:
            made = min(path.stat().st_mtime_ns for path in self._paths(recording))
            if is_pipe(recording.name):
                return False
            sources = [] if is_address(recording.name) else [Path(recording.name)]
            sources += [] if self._model is None else [self._model]
            return all(made > each.stat().st_mtime_ns for each in sources)
        except OSError:
            return False

    def _paths(self, recording: Recording) -> list[Path]:
        return [self._folder / f"{recording.output}.{form}" for form in self._formats]
