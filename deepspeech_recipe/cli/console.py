"""What goes to stderr beside the results: notes, errors, and colour where a terminal shows it."""

import os
import sys

from deepspeech_recipe.files import printable

_RED, _GREEN, _END = "\033[31m", "\033[32m", "\033[0m"
_MARKS = {"✓": _GREEN, "✗": _RED}
PROGRAM = "deepspeech-recipe"
QUIET, NORMAL, VERBOSE = -1, 0, 1
_level = NORMAL


def add_arguments(parser) -> None:
    """Adds --quiet and --verbose."""
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument(
        "--quiet", dest="console", action="store_const", const=QUIET, default=NORMAL,
        help="nothing on stderr but errors",
    )  # fmt: skip
    how_much.add_argument(
        "--verbose", dest="console", action="store_const", const=VERBOSE, help="say what is done, too"
    )


def set_level(level: int) -> None:
    global _level
    _level = level


def is_quiet() -> bool:
    return _level == QUIET


def is_verbose() -> bool:
    return _level == VERBOSE


def note(text: str) -> None:
    """Says what the user should know about the work."""
    if not is_quiet():
        print(text, file=sys.stderr, flush=True)


def error(message: str) -> str:
    """The one line of an error."""
    return f"{PROGRAM}: {coloured('error', _RED, sys.stderr)}: {printable(' '.join(message.split()))}"


def coloured(text: str, colour: str, stream) -> str:
    return f"{colour}{text}{_END}" if has_colour(stream) else text


def marked(line: str) -> str:
    """A line for stdout, in colour if it begins with ✓ or ✗."""
    mark = line.lstrip()[:1]
    return line.replace(mark, coloured(mark, _MARKS[mark], sys.stdout), 1) if mark in _MARKS else line


def has_colour(stream) -> bool:
    """Whether a terminal shows it and nobody has forbidden it (no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()
