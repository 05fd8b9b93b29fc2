"""Converts the bundled model with Model Optimizer, compares it with the original, and transcribes its recordings.

Without Model Optimizer, OpenVINO's own TensorFlow frontend converts it. Exit code 1 if a difference is too large or a
text is not as expected.
"""

from deepspeech_recipe.cli import console

HELP = "the bundled model: convert, compare, transcribe"


def add_arguments(parser) -> None:
    parser.add_argument("-o", "--output", metavar="DIR", help="where the IR goes (default: a new temporary directory)")


def run(arguments) -> int:
    from deepspeech_recipe.demonstration import demo

    return 0 if demo(arguments.output, log=lambda line: print(console.marked(line), flush=True)) else 1
