"""Finds the first tensor in which an IR differs from its original: features, dense layers 1 to 3, LSTM output, states,
dense layers 5 and 6, head.

Exit code 1 if one differs.
"""

from deepspeech_recipe.cli import comparison
from deepspeech_recipe.cli.progress import Stages
from deepspeech_recipe.cli.text import typed

HELP = "where an IR parts from its model"
add_arguments = comparison.add_arguments


def run(arguments) -> int:
    from deepspeech_recipe.verification.diagnose import diagnose

    with Stages("comparing the IR with its model, stage by stage"):
        report = diagnose(**typed(arguments))
    return comparison.print_report(report, arguments.json)
