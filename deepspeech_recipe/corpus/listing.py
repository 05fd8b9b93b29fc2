"""Which recordings are meant: files, folders, globs, pipes and addresses, as they are typed."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import one_line
from deepspeech_recipe.runtime.recordings.incoming import is_address, is_pipe

# What libsndfile reads; what lies in a folder is known by its name, what is named itself by its content.
_READ = "wav wave flac ogg oga opus mp3 mp2 aif aiff aifc au snd caf w64 rf64 voc sph nist"
SUFFIXES = tuple(f".{name}" for name in _READ.split())
# What people keep recordings in and libsndfile does not read.
_OTHERS = (".m4a", ".aac", ".mp4", ".mkv", ".mov", ".webm", ".wma", ".amr", ".3gp", ".avi")


@dataclass(frozen=True)
class Recording:
    """A recording to work on.

    name: a path, an address or '-', as the user would type it. output: where its results lie below the folder of
    results, without a suffix. raw: it is bare 16-bit samples of that rate (Hz), None: it says itself what it is.
    """

    name: str
    output: PurePosixPath
    raw: int | None = None


def list_recordings(
    names: Iterable[str | os.PathLike], *, recursive: bool = False, raw: int | None = None, log=None
) -> list[Recording]:
    """The recordings of files, folders and patterns, in their order; those of a folder by name.

    recursive: those of folders in a folder too; results mirror them. log: gets a line on files of a folder that are
    sound or video and cannot be read. Raises RecipeError if there is none. That a file is there is looked at later.
    """
    found = [each for name in names for each in _of(os.fspath(name), recursive, raw, log)]
    pipes = [each.name for each in found if is_pipe(each.name)]
    if len(set(pipes)) < len(pipes):
        raise RecipeError(f"{pipes[0]}: is named twice, and can be read only once.")
    return found


def with_outputs(recordings: Iterable[Recording]) -> list[Recording]:
    """Each recording once, with results of its own: 'talk.wav' and 'talk.mp3' keep their suffixes in them.

    Raises RecipeError if two have the same name all the same.
    """
    unique = {each.name: each for each in recordings}.values()
    count = Counter(each.output for each in unique)
    found = [
        replace(each, output=each.output.with_name(PurePosixPath(each.name).name)) if count[each.output] > 1 else each
        for each in unique
    ]
    taken: dict[PurePosixPath, str] = {}
    for each in found:
        other = taken.setdefault(each.output, each.name)
        if other != each.name:
            raise RecipeError(
                one_line(
                    f"{other} and {each.name}: two of the recordings have the same name, so the results of one would "
                    "overwrite those of the other. Give the folder that both are in, with --recursive."
                )
            )
    return found


def _of(name: str, recursive: bool, raw: int | None, log) -> Iterator[Recording]:
    if is_pipe(name):
        yield Recording(name, PurePosixPath("stdin" if name in ("-", "/dev/stdin") else Path(name).name), raw)
    elif is_address(name):
        path = PurePosixPath(name.partition("://")[2].partition("?")[0])
        yield Recording(name, PurePosixPath(path.stem or "recording"), raw)
    elif os.path.isdir(name):
        yield from _of_folder(Path(name), recursive, raw, log)
    elif not os.path.lexists(name) and glob.has_magic(name):
        matches = sorted(glob.glob(name, recursive=True))
        if not matches:
            raise RecipeError(one_line(f"{name}: no file is called so."))
        for match in matches:
            yield from _of(match, recursive, raw, log)
    else:
        yield Recording(name, PurePosixPath(Path(name).stem), raw)


def _of_folder(folder: Path, recursive: bool, raw: int | None, log) -> Iterator[Recording]:
    found, others, below = [], [], False
    for directory, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        below = below or bool(folders)
        for path in (Path(directory) / each for each in sorted(files) if not each.startswith(".")):
            if path.suffix.lower() in SUFFIXES:
                relative = path.relative_to(folder).with_suffix("")
                found.append(Recording(str(path), PurePosixPath(relative.as_posix()), raw))
            elif path.suffix.lower() in _OTHERS:
                others.append(path)
        if not recursive:
            break
    if others and log:
        log(
            one_line(
                f"{folder}: {len(others)} files are left out, as '{others[0].name}': libsndfile does not read their "
                f"kind. ffmpeg does: ffmpeg -i '{others[0].name}' -f wav - | deepspeech-recipe transcribe - …"
            )
        )
    if not found:
        deeper = " Those in the folders below it are found with --recursive." if below and not recursive else ""
        raise RecipeError(one_line(f"{folder}: holds no recordings ({', '.join(SUFFIXES[:8])}, …).{deeper}"))
    yield from found


def _refuse(error: OSError) -> None:
    raise RecipeError(one_line(f"{error.filename}: cannot be read ({error.strerror}).")) from None
