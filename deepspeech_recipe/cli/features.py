"""Writes an array for each frame of recordings: probabilities, or the output of a layer, as .npy files.

Without -o beside each recording, named as it is. Rows are frames: 50 a second with the usual step of 20 ms. --rate
gives another number of them by linear interpolation. --preset gives what a project of talking heads trains on: 25
windows of 16 frames a second (--rate 50 --windows 16 --stride 2), in files of the names that it looks for.

A recording that cannot be read is a line on stderr, and the others are done: exit code 1.
"""

import argparse
from dataclasses import replace

from deepspeech_recipe.cli import console, recognition
from deepspeech_recipe.cli.progress import Progress

HELP = "recordings → per-frame arrays (.npy)"
_PRESETS = ("ad-nerf", "rad-nerf", "er-nerf")


def add_arguments(parser) -> None:
    parser.add_argument("audio", nargs="+", metavar="AUDIO", help="files, folders, or - for standard input")
    recognition.add_arguments(parser, search=False)
    recognition.add_recordings(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT.npy",
        help="a file, or a directory for the files of several recordings (default: beside each recording)",
    )  # fmt: skip
    parser.add_argument("--preset", choices=_PRESETS, help="what that project of talking heads expects")
    quiet = {"default": argparse.SUPPRESS}
    parser.add_argument("--rate", type=_positive, metavar="FPS", **quiet, help="frames a second (default: the model's)")
    parser.add_argument(
        "--tensor", metavar="NAME", **quiet,
        help="logits (default), dense_1, dense_2, dense_3, lstm, dense_5 or dense_6 (the scores before the softmax)",
    )  # fmt: skip
    parser.add_argument(
        "--windows", type=int, metavar="N", **quiet, help="give each frame with those around it: N at a time"
    )
    parser.add_argument("--stride", type=int, metavar="N", **quiet, help="take every N-th of them (default: 1)")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames a second")
    return value


def run(arguments) -> int:
    from deepspeech_recipe.corpus.features import PRESETS, Frames, features_files
    from deepspeech_recipe.corpus.outcome import Summary

    preset = PRESETS.get(arguments.preset)
    typed = {name: getattr(arguments, name) for name in vars(Frames()) if hasattr(arguments, name)}
    summary = Summary()
    with Progress("s of audio") as progress:
        for outcome in features_files(
            arguments.audio, arguments.model, replace(preset.frames if preset else Frames(), **typed),
            output=arguments.output, suffix=preset.suffix if preset else "", device=arguments.device,
            alphabet=arguments.alphabet, weights=arguments.weights, recursive=arguments.recursive, raw=arguments.raw,
            log=progress.note, progress=progress,
        ):  # fmt: skip
            summary.add(outcome)
            if outcome.error:
                progress.log(console.error(outcome.error))
            else:
                path, shape = outcome.result
                print(f"{path}: {list(shape)}", flush=True)
    if summary.failed and summary.count > 1:
        console.note(summary.line())
    return summary.exit_code
