"""Serves a model: a page to speak and read along, OpenAI's transcription API, live streams over WebSockets, and the
Wyoming protocol of Home Assistant.

It listens on this machine alone, unless --host says otherwise. SIGTERM and Ctrl-C end live streams with their texts.
"""

import argparse
import logging
import sys

from deepspeech_recipe.cli import console, recognition
from deepspeech_recipe.cli.text import typed

HELP = "live speech and recordings → text, for browsers and programs"
_SEARCH = ("scorer", "words", "alpha", "beta", "beam_width", "hot_words")
_MEGABYTE = 2**20


def add_arguments(parser) -> None:
    recognition.add_arguments(parser)
    quiet = {"default": argparse.SUPPRESS}
    parser.add_argument("--name", **quiet, help="what clients call the model (default: the file's name)")
    where = parser.add_argument_group("where")
    where.add_argument("--host", **quiet, help="address to listen on (default: 127.0.0.1)")
    where.add_argument("--port", type=int, metavar="N", **quiet, help="of HTTP (default: 8000)")
    where.add_argument(
        "--wyoming", dest="wyoming_port", type=int, metavar="PORT", **quiet,
        help="speak the Wyoming protocol too, on this port: 10300 by convention",
    )  # fmt: skip
    who = parser.add_argument_group("who")
    who.add_argument("--token-file", metavar="FILE", **quiet, help="a file with the token that clients must bring")
    who.add_argument(
        "--insecure", action="store_true", **quiet, help="listen on other addresses than this machine's without a token"
    )
    who.add_argument(
        "--origin", dest="origins", action="append", metavar="URL", **quiet,
        help="another page that may use it, or its own address behind a proxy; repeatable",
    )  # fmt: skip
    who.add_argument("--ssl-certfile", metavar="FILE", **quiet, help="certificate for TLS, in PEM form")
    who.add_argument("--ssl-keyfile", metavar="FILE", **quiet, help="its key, if it is in a file of its own")
    most = parser.add_argument_group("how much")
    most.add_argument(
        "--max-streams", type=int, metavar="N", **quiet,
        help="live streams and recordings at the same time (default: what was measured at the start)",
    )  # fmt: skip
    most.add_argument("--max-batch", type=int, metavar="N", **quiet, help="that share a call (default: 8)")
    most.add_argument("--max-upload", type=_megabytes, metavar="MB", **quiet, help="of a recording (default: 256)")
    most.add_argument("--max-recording", type=float, metavar="S", **quiet, help="seconds of one (default: 14400)")
    most.add_argument("--max-utterance", type=float, metavar="S", **quiet, help="seconds of a live one (default: 300)")
    most.add_argument("--max-connections", type=int, metavar="N", **quiet, help="that are open (default: 256)")
    most.add_argument(
        "--silence", type=float, metavar="S", **quiet,
        help="seconds without a letter that end a live utterance; 0: only the client ends it (default: 2)",
    )  # fmt: skip
    most.add_argument(
        "--idle", type=float, metavar="S", **quiet,
        help="seconds that a client may send nothing, or not read (default: 30)",
    )  # fmt: skip


def _megabytes(text: str) -> int:
    return round(float(text) * _MEGABYTE)


def run(arguments) -> int:
    level = logging.WARNING if console.is_quiet() else logging.DEBUG if console.is_verbose() else logging.INFO
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("deepspeech_recipe").setLevel(level)
    from deepspeech_recipe.serve import serve

    options = typed(arguments)
    search = recognition.decoder(arguments)
    for name in _SEARCH:
        options.pop(name, None)
    serve(**options, decoder=search, log=console.note)
    return 0
