"""What the commands that recognise speech share."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TextIO

from deepspeech_recipe.cli import console
from deepspeech_recipe.cli.text import numbers_by_name
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.options import CHOICES, FULL_PRECISION, PRECISIONS


def add_arguments(parser, *, search: bool = True) -> None:
    """Adds the options that say what recognises. search: those of beam search too."""
    parser.add_argument(
        "--model", metavar="MODEL", required=True,
        help="an IR, a folder with one, or any model file, which is converted once and kept",
    )  # fmt: skip
    parser.add_argument("--alphabet", metavar="FILE", help="an alphabet.txt, for a model without one")
    parser.add_argument("--weights", choices=CHOICES["weights"], help="of a model file's IR (default: fp32)")
    parser.add_argument("--device", default="CPU", help="OpenVINO device (default: CPU)")
    if search:
        parser.add_argument(
            "--precision", choices=PRECISIONS, default=FULL_PRECISION,
            help=f"in what the network computes, if the device can (default: {FULL_PRECISION})",
        )  # fmt: skip
        _add_search(parser)


def add_work(parser) -> None:
    """Adds the options on how many recordings are worked on."""
    parser.add_argument(
        "--batch", type=int, metavar="N",
        help="recognise N side by side; 1: one after the other (default: 16; on a cluster 8)",
    )  # fmt: skip
    parser.add_argument(
        "--cluster", metavar="ADDRESS",
        help="work on a Ray cluster: its address, auto, or local for one on this machine (needs the extra ray)",
    )  # fmt: skip


def add_recordings(parser) -> None:
    """Adds the options on what is a recording."""
    parser.add_argument("-r", "--recursive", action="store_true", help="the folders in folders too")
    parser.add_argument(
        "--raw", type=int, metavar="RATE",
        help="the recordings are bare 16-bit samples of that rate in Hz, one channel, as ffmpeg -f s16le writes them",
    )  # fmt: skip


def _add_search(parser) -> None:
    search = parser.add_argument_group("beam search (a scorer needs the extra lm)")
    search.add_argument("--scorer", metavar="FILE", help="a .scorer, an ARPA file, or with --words a KenLM binary")
    search.add_argument("--words", metavar="FILE", help="the words of a KenLM binary")
    search.add_argument("--alpha", type=float, metavar="X", help="weight of the language model (default: the scorer's)")
    search.add_argument("--beta", type=float, metavar="X", help="score for each word (default: the scorer's)")
    search.add_argument("--beam-width", type=int, metavar="N", help="default: the model's; without a scorer: greedy")
    search.add_argument(
        "--hot-words", type=numbers_by_name(":", "WORD:BOOST"), metavar="WORD:BOOST,…",
        help="words to expect, or not to",
    )  # fmt: skip


@contextmanager
def results(arguments) -> Iterator[TextIO]:
    """Where results go: stdout. What Ray prints there about its workers goes to stderr meanwhile."""
    stdout = sys.stdout
    with redirect_stdout(sys.stderr) if arguments.cluster else nullcontext():
        yield stdout


def recognizer(arguments):
    """The Recognizer that the command line asks for."""
    from deepspeech_recipe.conversion.model_cache import ir_of
    from deepspeech_recipe.runtime import Recognizer

    ir = ir_of(arguments.model, weights=arguments.weights, alphabet=arguments.alphabet, log=console.note)
    given = {"alphabet": arguments.alphabet, "precision": arguments.precision}
    return Recognizer(ir, decoder(arguments), arguments.device, **given)


def decoder(arguments):
    """The decoder that it asks for; None: greedy."""
    if arguments.scorer is None:
        asked = {"--words": "words", "--alpha": "alpha", "--beta": "beta", "--hot-words": "hot_words"}
        for option, name in asked.items():
            if getattr(arguments, name) is not None:
                raise RecipeError(f"{option} is about a scorer: give one with --scorer.")
        if arguments.beam_width is None:
            return None
        from deepspeech_recipe.runtime.decoders import Beam

        return Beam(arguments.beam_width)
    from deepspeech_recipe.runtime.decoders import Scorer

    return Scorer(
        arguments.scorer, alpha=arguments.alpha, beta=arguments.beta, beam_width=arguments.beam_width,
        hot_words=arguments.hot_words, words=arguments.words,
    )  # fmt: skip
