"""What the commands that recognise speech share."""

import sys


def add_arguments(parser) -> None:
    parser.add_argument("--model", metavar="IR.xml", required=True, help="an IR of `deepspeech-recipe convert`")
    parser.add_argument("--alphabet", metavar="FILE", help="an alphabet.txt, for an IR without one")
    parser.add_argument("--device", default="CPU", help="OpenVINO device (default: CPU)")


def recognizer(arguments):
    """The Recognizer that the command line asks for."""
    from deepspeech_recipe.runtime import Recognizer

    return Recognizer(arguments.model, device=arguments.device, alphabet=arguments.alphabet)


def note(line: str) -> None:
    """For what the user should know about the work."""
    print(line, file=sys.stderr, flush=True)
