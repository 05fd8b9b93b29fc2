"""The command `deepspeech-recipe`: one module here for each of its commands.

A command's module has HELP, `add_arguments(parser)` and `run(arguments) -> exit code`; it loads what it needs
when it runs. Results go to stdout, progress to stderr. Exit codes: 0 done, 1 a check or a recording failed, 2 bad
usage or bad input (one line on stderr), 130 interrupted.
"""

import argparse
import importlib
import os
import signal
import sys
import threading
from typing import Any

from deepspeech_recipe import __version__
from deepspeech_recipe.cli import console
from deepspeech_recipe.cli.console import PROGRAM
from deepspeech_recipe.errors import RecipeError

COMMANDS = (
    "inspect",
    "convert",
    "verify",
    "diagnose",
    "doctor",
    "benchmark",
    "transcribe",
    "serve",
    "evaluate",
    "features",
    "unpack",
    "extensions",
    "demo",
)
_EXIT_CODES = "Exit codes: 0 done, 1 a check or a recording failed, 2 bad usage or bad input."
_INTERRUPTED, _BROKEN_PIPE = 130, 141


class UsageError(RecipeError):
    """A command line that argparse does not accept."""


class _Parser(argparse.ArgumentParser):
    """Reports usage errors in one line, as all others are."""

    def parse_known_args(self, args=None, namespace=None):
        """A command's own parser refuses what it does not know itself: else the whole program's help would be named."""
        found, rest = super().parse_known_args(args, namespace)
        if rest and self.prog != PROGRAM:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str):
        command = self.prog.removeprefix(PROGRAM).strip()
        raise UsageError(f"{command + ': ' if command else ''}{message} (see {self.prog} --help)")


class _Help(argparse.HelpFormatter):
    """Fits paragraphs to the terminal, and keeps room for a command's name before its help: argparse forgets its
    indent."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=32)
        self._action_max_length = 2 * self._indent_increment + max(map(len, COMMANDS))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (super(_Help, self)._fill_text(each, width, indent) for each in text.strip().split("\n\n"))
        return "\n\n".join(paragraphs)


class _PrintCompletion(argparse.Action):
    """Prints a script of completion for a shell, by shtab."""

    _FILES = ("MODEL", "IR.xml", "FILE", "WAV", "AUDIO", "TESTSET", "PNG", "OUT", "MODEL.pbmm", "MODEL_OR_IR", "PYTHON")

    def __call__(self, parser, namespace, values, option_string=None):
        from deepspeech_recipe.installation import needed

        shtab = needed("Scripts of completion need shtab: pip install shtab.", "shtab")
        (commands,) = (each.choices for each in parser._actions if isinstance(each, argparse._SubParsersAction))
        for action in (action for command in commands.values() for action in command._actions):
            if action.metavar == "DIR":
                action.complete = shtab.DIRECTORY
            elif str(action.metavar).startswith(self._FILES):
                action.complete = shtab.FILE
        print(shtab.complete(parser, values))
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    shared: dict[str, Any] = {"epilog": _EXIT_CODES, "formatter_class": _Help, "allow_abbrev": False}
    parser = _Parser(prog=PROGRAM, description="Converts DeepSpeech and Coqui STT models to OpenVINO.", **shared)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument(
        "--print-completion", action=_PrintCompletion, default=argparse.SUPPRESS,
        choices=("bash", "zsh"), metavar="SHELL",
        help="print a script of completion for bash or zsh (needs the extra completion)",
    )  # fmt: skip
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"{__name__}.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__, **shared)
        module.add_arguments(command)
        console.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs a command line and returns its exit code."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 does not stop it
    try:
        with _Interrupts():
            parser, argv = build_parser(), sys.argv[1:] if argv is None else argv
            if not argv:
                parser.print_help()
                return 0
            arguments = parser.parse_args(argv)
            console.set_level(vars(arguments).pop("console"))
            code = arguments.run(arguments)
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except RecipeError as error:
        return _fail(str(error))
    except BrokenPipeError:
        _drop(sys.stdout)
        return _BROKEN_PIPE
    except OSError as error:
        _drop(sys.stdout)
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}.")
    except MemoryError:
        return _fail("out of memory.")


class _Interrupts:
    """Keeps Ctrl-C what it is: a library in the middle of its import makes KeyboardInterrupt an error of its own."""

    def __enter__(self) -> None:
        self._seen, self._before = False, None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:  # else the program around us has its own
            signal.signal(signal.SIGINT, self._note)

    def __exit__(self, kind, *_) -> None:
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._before)
        if self._seen and kind is not None and kind is not KeyboardInterrupt:
            raise KeyboardInterrupt from None

    def _note(self, number, frame) -> None:
        self._seen = True
        raise KeyboardInterrupt


def _fail(message: str) -> int:
    try:
        print(console.error(message), file=sys.stderr)
    except OSError:  # nobody can be told
        _drop(sys.stderr)
    return 2


def _open_streams() -> None:
    """Opens closed standard streams, onto nowhere: else the next file would get their number and libraries' output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def _drop(stream) -> None:
    """Forgets what a stream has buffered and cannot write: Python would say so again at its end."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    except (OSError, ValueError):
        pass
