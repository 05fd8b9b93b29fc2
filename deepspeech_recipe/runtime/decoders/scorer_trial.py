"""Tries a scorer in a child process before the decoder's native code may have it in this one.

What is checked before is all that is known to kill KenLM; the trial is for what is not known. A file that came through
is remembered by its content, in the user's cache directory, and not tried again.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import cache_directory, reading
from deepspeech_recipe.processes import trial

_VERSION = "1"  # of what is tried
_FRAMES, _BEAM = 40, 50
_SECONDS, _BYTES_A_SECOND, _WORDS_A_SECOND = 4, 5e6, 2e4  # of processor time
_MEMORY = 2**30
_passed: set[str] = set()


def try_once(path: Path, labels: Sequence[bytes], spelled: Mapping[str, Sequence[int]], check: Callable) -> None:
    """spelled: the words, by classes of `labels`. check: what to do first; it raises RecipeError.

    Raises RecipeError if the child process dies or does not end.
    """
    content = _content(path)
    if content in _passed:
        return
    mark = cache_directory() / "scorers" / content
    if not _is_file(mark):
        check()
        _try(path, labels, spelled)
        _remember(mark)
    _passed.add(content)


def _content(path: Path) -> str:
    digest = hashlib.sha256()
    with reading(path), path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    digest.update(f"{_VERSION} {_flashlight_version()}".encode())
    return digest.hexdigest()


def _flashlight_version() -> str:
    from flashlight.lib import text  # several packages bring it

    return text.__version__


def _is_file(mark: Path) -> bool:
    try:
        return mark.is_file()
    except OSError:
        return False


def _remember(mark: Path) -> None:
    """A cache that cannot be written is not a reason to stop: the next process tries again."""
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:
        pass


def _try(path: Path, labels: Sequence[bytes], spelled: Mapping[str, Sequence[int]]) -> None:
    seconds = int(_SECONDS + path.stat().st_size / _BYTES_A_SECOND + len(spelled) / _WORDS_A_SECOND)
    task = {
        "path": str(path.absolute()),
        "labels": [label.decode() for label in labels],
        "spelled": spelled,
    }
    outcome = trial.run(__name__, task, seconds)
    if outcome is None:
        return
    if outcome.failure:
        raise _damaged(path, outcome.failure)
    if outcome.code:
        raise RecipeError(outcome.reason if outcome.code == 2 else f"{path}: is damaged: {outcome.reason}.")


def _damaged(path: Path, what: str) -> RecipeError:
    return RecipeError(f"{path}: is damaged: the decoder {what}. Copy or make the file again.")


def main() -> int:
    """The child: a search through noise, with all words."""
    task = json.load(sys.stdin)
    import numpy as np

    from deepspeech_recipe.runtime.decoders.lm import ScorerSearch

    trial.limit(task["seconds"], _MEMORY + 10 * Path(task["path"]).stat().st_size)
    labels = [label.encode() for label in task["labels"]]
    try:
        search = ScorerSearch(Path(task["path"]), labels, task["spelled"], 0.9, 1.0, _BEAM, {})
    except RecipeError as error:
        print(error, file=sys.stderr)
        return 2
    frames = np.random.default_rng(0).dirichlet(np.full(len(labels) + 1, 0.2), _FRAMES).astype(np.float32)
    utterance = search.start()
    utterance.feed(frames)
    utterance.partial()
    utterance.finish(3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
