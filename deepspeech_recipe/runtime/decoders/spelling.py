"""The words of a language model, spelled in the classes of an acoustic model's alphabet."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context, reading


def spelled_by_classes(path: Path, words: Iterable[tuple[int, ...]], labels: Sequence[bytes]) -> dict[str, tuple]:
    """Word → classes, of words that are classes. Raises RecipeError if the alphabet lacks one."""
    spelled = {}
    for word in words:
        if not 0 <= min(word) <= max(word) < len(labels):
            raise RecipeError(
                f"{path}: does not fit the model's alphabet: it has a letter {max(word)}, the alphabet "
                f"{len(labels)} labels."
            )
        spelled[b"".join(labels[label] for label in word).decode()] = word
    return _some(path, spelled)


def spelled_by_letters(path: Path, words: Iterable[str], labels: Sequence[bytes]) -> dict[str, tuple]:
    """Word → classes. Words with other letters than the alphabet's cannot be heard, and are left out."""
    classes = {label.decode(): number for number, label in enumerate(labels)}
    letters = classes.keys() - {" "}
    return _some(path, {word: tuple(classes[each] for each in word) for word in words if letters >= set(word)})


def _some(path: Path, spelled: dict) -> dict:
    if not spelled:
        raise RecipeError(f"{path}: has no word that the model's alphabet can spell.")
    return spelled


def word_list(words) -> list[str]:
    """words: a text file of them, or themselves."""
    if not isinstance(words, str | os.PathLike):
        return list(words)
    with error_context(words), reading(words):
        try:
            return Path(words).read_text(encoding="utf-8-sig").split()
        except UnicodeDecodeError:
            raise RecipeError(f"{words}: is not text in UTF-8.") from None
