"""Converts a model of any kind (.pb, .pbmm, checkpoint, SavedModel, .tflite, an archive with one) to DIR/NAME.xml.

Exit code 1 if the IR was compared with the original and differs.
"""

import argparse
import shlex
from collections.abc import Iterator

from deepspeech_recipe.cli import console
from deepspeech_recipe.cli.progress import Stages
from deepspeech_recipe.cli.text import json_document, numbers_by_name, rows, shape, typed
from deepspeech_recipe.ir.options import CHOICES, DYNAMIC, Options

HELP = "a model file → an IR"


def _size(text: str) -> int | str:
    if text == DYNAMIC:
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor '{DYNAMIC}'") from None


def _layers(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _add_choice(group, name: str, text: str = "") -> None:
    default = getattr(Options, name)
    if default is not None:
        text = f"{text} (default: {default})" if text else f"default: {default}"
    group.add_argument(f"--{name}", choices=CHOICES[name], default=argparse.SUPPRESS, help=text)


def add_arguments(parser) -> None:
    # What is not typed is not passed on, so that the function's defaults are the only ones.
    quiet = {"default": argparse.SUPPRESS}
    parser.add_argument("model", metavar="MODEL", help="a model file or directory")
    parser.add_argument("-o", "--output-dir", dest="output", metavar="DIR", required=True, help="directory of the IR")
    parser.add_argument("--name", **quiet, help="name of the IR (default: the model's)")
    how = parser.add_argument_group("how")
    how.add_argument("--recipe", metavar="FILE.py", **quiet, help="what the model is, if it is not a DeepSpeech model")
    how.add_argument(
        "--freeze", type=numbers_by_name("=", "INPUT=NUMBER"), metavar="INPUT=NUMBER,…", **quiet,
        help="give an input a value for good; keep_prob=1 leaves dropout out",
    )  # fmt: skip
    for what in ("input", "output"):
        how.add_argument(
            f"--{what}", dest=f"{what}s", action="append", metavar="NAME", **quiet,
            help=f"cut the graph at this tensor ('node', 'node:1', '1:node'), a new {what}; may be repeated"
            + (", with a shape: 'node[1,16,?]'" if what == "input" else ""),
        )  # fmt: skip
    _add_choice(how, "converter", "OpenVINO's own frontend, or Model Optimizer, to the same result")
    _add_choice(how, "state")
    how.add_argument("--time-steps", type=_size, metavar=f"N|{DYNAMIC}", **quiet, help="default: as in the graph")
    how.add_argument("--batch", type=_size, metavar=f"N|{DYNAMIC}", **quiet, help="default: as in the graph")
    _add_choice(how, "lengths", "enforce: time_len == seq_len")
    _add_choice(how, "audio")
    _add_choice(how, "weights")
    how.add_argument(
        "--keep-fp16", type=_layers, metavar="LAYER,…", **quiet,
        help="layers that --weights int8 leaves in FP16: dense_1, dense_2, dense_3, lstm_input, lstm_recurrent, "
        "dense_5, dense_6 (default: none)",
    )  # fmt: skip
    _add_choice(
        how, "activations", "what --weights int8 multiplies by: int8 if the processor has VNNI, which is fast "
        "(default), or fp32, which is the same on every processor",
    )  # fmt: skip
    _add_choice(how, "device", "what --weights int8 is for: only the CPU gets a loop in place of LSTMSequence")
    _add_choice(how, "head", "what logits are (default: as in the graph)")
    how.add_argument(
        "--verify", action=argparse.BooleanOptionalAction, **quiet,
        help="compare the IR with the original (default: if TensorFlow is installed)",
    )  # fmt: skip
    how.add_argument("--json", action="store_true", help="print one JSON document")
    facts = parser.add_argument_group("what the file itself does not know")
    facts.add_argument("--alphabet", metavar="FILE", **quiet, help="an alphabet.txt")
    facts.add_argument("--sample-rate", type=int, metavar="HZ", **quiet)
    facts.add_argument("--window-ms", type=int, metavar="N", **quiet)
    facts.add_argument("--step-ms", type=int, metavar="N", **quiet)
    facts.add_argument("--beam-width", type=int, metavar="N", **quiet)
    facts.add_argument("--language", metavar="CODE", **quiet)
    facts.add_argument("--n-steps", type=int, metavar="N", **quiet, help="of a checkpoint's graph; -1: open")
    facts.add_argument("--n-context", type=int, metavar="N", **quiet, help="of a checkpoint's graph")
    facts.add_argument("--upper-frequency", type=float, metavar="HZ", **quiet, help="of a checkpoint's features")


def run(arguments) -> int:
    from deepspeech_recipe.conversion.convert import convert

    with Stages("converting") as stages:
        result = convert(log=stages, **typed(arguments))
    if arguments.json:
        print(json_document(result.as_dict()))
    else:
        print("\n".join(_lines(result, arguments)))
    return 0 if result.verification is None else result.verification.exit_code


def _lines(result, arguments) -> Iterator[str]:
    yield f"Converted with {result.converter}"
    yield from (f"  {note}" for note in result.notes)
    yield from (str(path) for path in result.files)
    directions = (("input", result.inputs), ("output", result.outputs))
    yield from rows(
        (direction, tensor["name"], shape(tensor["shape"]), tensor["type"])
        for direction, tensors in directions
        for tensor in tensors
    )
    if result.verification is not None:
        yield from map(console.marked, result.verification.lines())
    elif result.metadata:
        recipe = ["--recipe", arguments.recipe] if hasattr(arguments, "recipe") else []
        command = shlex.join(["deepspeech-recipe", "verify", arguments.model, str(result.files[0]), *recipe])
        yield f"not compared with the original; to do so: {command}"
    else:
        yield "not compared with the original"
