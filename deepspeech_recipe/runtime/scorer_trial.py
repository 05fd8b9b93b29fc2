"""Tries a scorer in a child process before the decoder's native code may have it in this one.

What is checked before is all that is known to kill KenLM; the trial is for what is not known. A file that came through
is remembered by its content, in the user's cache directory, and not tried again.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import cache_directory, reading

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
    with reading(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else _digest(file)
    digest.update(f"{_VERSION} {metadata.version('flashlight-text')}".encode())
    return digest.hexdigest()


def _digest(file):
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest


def _is_file(mark: Path) -> bool:
    try:
        return mark.is_file()
    except OSError:
        return False


def _remember(mark: Path) -> None:
    """A cache that cannot be written is no reason to stop: the next process tries again."""
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:
        pass


def _try(path: Path, labels: Sequence[bytes], spelled: Mapping[str, Sequence[int]]) -> None:
    if not sys.executable:  # Python inside of another program: there is nothing to start
        return
    seconds = int(_SECONDS + path.stat().st_size / _BYTES_A_SECOND + len(spelled) / _WORDS_A_SECOND)
    task = {
        "path": str(path.absolute()),
        "labels": [label.decode() for label in labels],
        "spelled": {word: list(spelling) for word, spelling in spelled.items()},
        "seconds": seconds,
    }
    package = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, [str(package), *filter(None, sys.path)]))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__] if sys.version_info >= (3, 11) else [sys.executable, "-m", __name__],
            input=json.dumps(task).encode(), capture_output=True, cwd=package, env=environment,
            timeout=10 * seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _damaged(path, "does not end with it") from None
    except OSError:  # no process can be started here
        return
    if done.returncode < 0:
        killed = signal.Signals(-done.returncode)
        raise _damaged(path, "does not end with it" if killed == signal.SIGXCPU else f"dies of it ({killed.name})")
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise RecipeError(reason[-1] if done.returncode == 2 else f"{path}: is damaged: {reason[-1]}.")


def _damaged(path: Path, what: str) -> RecipeError:
    return RecipeError(f"{path}: is damaged: the decoder {what}. Copy or make the file again.")


def main() -> int:
    """The child: a search through noise, with all words."""
    task = json.load(sys.stdin)
    _limit(task["seconds"], Path(task["path"]).stat().st_size)
    import numpy as np

    from deepspeech_recipe.runtime.lm import ScorerSearch

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


def _limit(seconds: int, size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_DATA, _MEMORY + 10 * size),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    sys.exit(main())
