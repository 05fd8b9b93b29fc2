"""Converts a model of any kind (.pb, .pbmm, checkpoint, SavedModel, .tflite, an archive with one) to DIR/NAME.xml.

Exit code 1 if the IR was compared with the original and differs.
"""

import argparse
import json
import sys
from collections.abc import Iterator

from deepspeech_recipe.cli.text import rows, shape

HELP = "a model file → an IR"


def _size(text: str) -> int | str:
    if text == "dynamic":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor 'dynamic'") from None


def _layers(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def add_arguments(parser) -> None:
    # What is not typed is not passed on, so that the function's defaults are the only ones.
    quiet = {"default": argparse.SUPPRESS}
    parser.add_argument("model", metavar="MODEL", help="a model file or directory")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="directory of the IR")
    parser.add_argument("--name", **quiet, help="name of the IR (default: the model's)")
    how = parser.add_argument_group("how")
    how.add_argument("--recipe", metavar="FILE.py", **quiet, help="what the model is, where it is no DeepSpeech model")
    how.add_argument("--converter", choices=("auto", "mo", "openvino"), **quiet, help="default: auto, mo if it works")
    how.add_argument("--state", choices=("external", "internal"), **quiet, help="default: external")
    how.add_argument("--time-steps", type=_size, metavar="N|dynamic", **quiet, help="default: as in the graph")
    how.add_argument("--batch", type=_size, metavar="N|dynamic", **quiet, help="default: as in the graph")
    how.add_argument("--lengths", choices=("enforce", "input"), **quiet, help="default: enforce (time_len == seq_len)")
    how.add_argument("--audio", choices=("none", "separate", "attached"), **quiet, help="default: none")
    how.add_argument("--weights", choices=("fp32", "fp16", "int8"), **quiet, help="default: fp32")
    how.add_argument(
        "--keep-fp16", type=_layers, metavar="LAYER,…", **quiet,
        help="layers that --weights int8 leaves in FP16: layer_1, layer_2, layer_3, lstm_input, lstm_recurrent, "
        "layer_5, layer_6 (default: none)",
    )  # fmt: skip
    how.add_argument(
        "--activations", choices=("fp32", "int8"), **quiet,
        help="what --weights int8 multiplies by: int8 where the processor has VNNI, which is fast (default), or fp32, "
        "which is the same on every processor",
    )  # fmt: skip
    how.add_argument(
        "--device", choices=("CPU", "GPU", "NPU"), **quiet,
        help="what --weights int8 is for: only the CPU gets a loop in place of LSTMSequence (default: CPU)",
    )  # fmt: skip
    how.add_argument("--head", choices=("probabilities", "raw"), **quiet, help="what logits are; default: the graph's")
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

    options = dict(vars(arguments))
    for name in ("command", "run", "json"):
        del options[name]
    result = convert(log=_log if sys.stderr.isatty() else None, **options)
    if arguments.json:
        print(json.dumps(result.as_dict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(result)))
    return 0 if result.verification is None else result.verification.exit_code


def _log(line: str) -> None:
    print(f"… {line}", file=sys.stderr, flush=True)


def _lines(result) -> Iterator[str]:
    yield f"Converted with {result.converter}"
    yield from (f"  {note}" for note in result.notes)
    yield from (str(path) for path in result.files)
    directions = (("input", result.inputs), ("output", result.outputs))
    yield from rows(
        (direction, tensor["name"], shape(tensor["shape"]), tensor["type"])
        for direction, tensors in directions
        for tensor in tensors
    )
    if result.verification is None:
        yield "not compared with the original"
    else:
        yield from result.verification.lines()
