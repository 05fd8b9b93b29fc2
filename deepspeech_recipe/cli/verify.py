"""Runs the same chained chunks through the original model and through an IR, and compares probabilities, states and
text. The original runs in TensorFlow if it is installed, else in OpenVINO's own TensorFlow frontend or in numpy.
"""

from deepspeech_recipe.cli import comparison
from deepspeech_recipe.cli.progress import Stages
from deepspeech_recipe.cli.text import typed

HELP = "is an IR the same as its model?"


def add_arguments(parser) -> None:
    comparison.add_arguments(parser)
    parser.add_argument(
        "--reference", default="auto", choices=("auto", "tensorflow", "openvino", "numpy"),
        help="what runs the original (default: auto)",
    )  # fmt: skip
    parser.add_argument("--plot", metavar="PNG", help="draw the probabilities of both and their difference")


def run(arguments) -> int:
    from deepspeech_recipe.verification import verify

    with Stages("comparing the IR with its model"):
        report = verify(**typed(arguments))
    return comparison.print_report(report, arguments.json)
