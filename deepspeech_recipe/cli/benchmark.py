"""Measures IRs and models side by side: each in a process of its own, one at a time, in turns. A model file is
converted to FP32 and 8 bits, and runs in TensorFlow too if that is installed.
"""

import argparse

from deepspeech_recipe.cli.progress import Stages
from deepspeech_recipe.cli.text import typed
from deepspeech_recipe.ir.options import PRECISIONS

HELP = "how fast are IRs and models on this machine?"


def add_arguments(parser) -> None:
    quiet = {"default": argparse.SUPPRESS}
    parser.add_argument("models", nargs="+", metavar="MODEL_OR_IR", help="IRs (.xml) and model files of any kind")
    parser.add_argument(
        "--against", metavar="MODEL_OR_IR", **quiet,
        help="what to compare with (default: TensorFlow if it takes part, else the first)",
    )  # fmt: skip
    parser.add_argument(
        "--scenario", dest="scenarios", action="append", metavar="NAME",
        help="chunk, utterance, corpus, start, serve, or all (default: chunk, utterance, start); repeatable",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, metavar="N", **quiet, help="turns of each contender (default: 5)")
    parser.add_argument(
        "--seconds", type=float, metavar="N", **quiet,
        help="of an utterance, and of the longest in a corpus (default: 20)",
    )  # fmt: skip
    parser.add_argument(
        "--streams", type=int, action="append", metavar="N", **quiet,
        help="live streams of a server at the same time; repeatable (default: 8 and 32)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", **quiet, help="of each contender (default: all processors)")
    parser.add_argument("--device", **quiet, help="OpenVINO device that runs the IRs (default: CPU)")
    parser.add_argument(
        "--precision", action="append", choices=PRECISIONS[1:], **quiet,
        help="run the IRs also in this precision, if the device can; may be repeated (f32 is always there)",
    )  # fmt: skip
    parser.add_argument(
        "--python", action="append", metavar="PYTHON", **quiet,
        help="run the IRs also with this interpreter, which has another OpenVINO; may be repeated",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="DIR", **quiet, help="write benchmark.json, .md and .png there")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments) -> int:
    from deepspeech_recipe.benchmarking.markdown import markdown
    from deepspeech_recipe.benchmarking.run import DEFAULT_SCENARIOS, SCENARIOS, benchmark
    from deepspeech_recipe.benchmarking.write import json_text

    options = typed(arguments)
    asked = options["scenarios"] or DEFAULT_SCENARIOS
    options["scenarios"] = SCENARIOS if "all" in asked else tuple(dict.fromkeys(asked))
    with Stages("measuring") as stages:
        report = benchmark(log=stages, **options)
    print(json_text(report) if arguments.json else markdown(report), end="")
    return 0
