"""Looks at versions, converters, the Model Optimizer plugin, the current directory and OpenVINO's devices. If mo is
installed, it is run on a small graph, which takes a while.

Exit code 1 if something that should work does not.
"""

from deepspeech_recipe.cli import console
from deepspeech_recipe.cli.text import json_document

HELP = "what is installed, what works, known traps"


def add_arguments(parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments) -> int:
    from deepspeech_recipe.self_test.run import doctor

    def say(finding) -> None:
        print(console.marked(finding.line()), flush=True)

    health = doctor(on_finding=None if arguments.json else say)
    if arguments.json:
        print(json_document(health.as_dict()))
    return health.exit_code
