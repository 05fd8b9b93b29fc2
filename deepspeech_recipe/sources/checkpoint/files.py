"""Finds the files of a checkpoint: its prefix, its index, its data files."""

import re
from pathlib import Path

from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.files import reading

# In the order in which DeepSpeech looks: the best on the validation data, then the most recent.
STATE_FILES = ("best_dev_checkpoint", "checkpoint")
_LARGEST_TEXT = 2**20
_STATE = re.compile(
    r"""^\s*model_checkpoint_path\s*:\s*(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')""", re.MULTILINE
)
_MOST_DATA_FILES = 1000
_DATA = re.compile(r"(.+)\.data-\d{5}-of-(\d{5})$")


def find_prefix(path: Path) -> Path:
    """The prefix of a checkpoint, from its directory, its state file, one of its files, or itself.

    Raises RecipeError if the .index is missing, or several checkpoints could be meant.
    """
    prefix = _prefix_of(path)
    with reading(path):
        there = _with_suffix(prefix, ".index").is_file()
    if not there:
        raise RecipeError(f"{path}: the checkpoint '{prefix.name}' has no {prefix.name}.index beside its data file.")
    return prefix


def data_files(prefix: Path, count: int) -> list[Path]:
    """The data files of a checkpoint that has this many, in order: others of the same name are left from another save.

    Raises RecipeError if one is missing."""
    if not 0 < count <= _MOST_DATA_FILES:
        raise RecipeError(f"{prefix}.index: says that there are {count} data files; it is damaged. Copy it again.")
    shards = [_with_suffix(prefix, f".data-{number:05}-of-{count:05}") for number in range(count)]
    there = [shard for shard in shards if shard.is_file()]
    if len(there) != count:
        missing = next(shard for shard in shards if shard not in there)
        raise RecipeError(
            f"{prefix.parent}: the checkpoint '{prefix.name}' is not whole: {len(there)} of its .data-…-of-{count:05} "
            f"files are there, and '{missing.name}' is not. Copy it again."
        )
    return there


def _prefix_of(path: Path) -> Path:
    if path.is_dir():
        for name in STATE_FILES:
            if (path / name).is_file():
                return _from_state_file(path / name)
        found = sorted(entry.name.removesuffix(".index") for entry in path.glob("*.index"))
        found = found or sorted({m[1] for entry in path.glob("*.data-*") if (m := _DATA.match(entry.name))})
        if len(found) != 1:
            raise RecipeError(
                f"{path}: holds {len(found)} checkpoints ({some_of(found)}) and no file '{STATE_FILES[0]}' that "
                f"says which; name one, as in '{path / (found[0] if found else 'best_dev-1')}'."
            )
        return path / found[0]
    if not path.is_file():
        return path
    if path.suffix == ".index":
        return path.with_suffix("")
    if match := _DATA.match(path.name):
        return path.with_name(match[1])
    return _from_state_file(path)


def _from_state_file(path: Path) -> Path:
    """The checkpoint that a state file names: in its directory, or below. A path of the machine it was made on, or one
    that leads elsewhere, is taken as a bare name: a file does not say where else to read."""
    match = _STATE.search(read_text(path))
    name = _unescaped(match[1] if match[1] is not None else match[2]) if match else ""
    if not name:
        raise RecipeError(f'{path}: names no checkpoint (a line model_checkpoint_path: "…").')
    bare = re.split(r"[/\\]", name)[-1]
    if bare in ("", ".", "..") or not name.isprintable():
        raise RecipeError(f"{path}: names {name[:80]!r}, which cannot be a checkpoint. Name its .index file instead.")
    with reading(path):
        here = path.parent / name
        inside = here.resolve().is_relative_to(path.parent.resolve())
        if inside and _with_suffix(here, ".index").is_file():
            return here
    return path.parent / bare


def _unescaped(text: str) -> str:
    """A string of a text message, where bytes that are not ASCII are octal."""
    simple = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}

    def byte(match: re.Match) -> bytes:
        digits = match[1]
        if digits[:1] in b"01234567":
            return bytes([int(digits, 8) & 0xFF])
        if len(digits) > 1:
            return bytes([int(digits[1:], 16)])
        return simple.get(digits, digits)

    found = re.sub(rb"\\([0-7]{1,3}|[xX][0-9a-fA-F]{1,2}|.)", byte, text.encode(), flags=re.DOTALL)
    return found.decode(errors="replace")


def read_text(path: Path) -> str:
    """The text of a small file. Raises RecipeError if it is large or is not text."""
    with reading(path), path.open("rb") as file:
        data = file.read(_LARGEST_TEXT + 1)
    if len(data) > _LARGEST_TEXT or b"\0" in data:
        raise RecipeError(f"{path}: is not a text file.")
    return data.decode(errors="replace")


def _with_suffix(prefix: Path, suffix: str) -> Path:
    """`Path.with_suffix` would cut a prefix at its last dot."""
    return prefix.with_name(prefix.name + suffix)
