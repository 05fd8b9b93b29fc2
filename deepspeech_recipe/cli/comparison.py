"""What the commands that compare an IR with its model share."""

from deepspeech_recipe.cli import console
from deepspeech_recipe.cli.text import json_document


def add_arguments(parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model file the IR was made of")
    parser.add_argument("ir", metavar="IR.xml", help="an IR, or a folder with one")
    parser.add_argument(
        "--audio", nargs="+", default=[], metavar="WAV",
        help="recordings to compare on (default: built-in ones, and random features)",
    )  # fmt: skip
    parser.add_argument("--recipe", metavar="FILE.py", help="what the model is, if no released one is like it")
    parser.add_argument("--device", default="CPU", help="OpenVINO device that runs the IR (default: CPU)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def print_report(report, as_json: bool) -> int:
    """Prints what verify or diagnose found, and returns the exit code."""
    lines = map(console.marked, report.lines())
    print(json_document(report.as_dict()) if as_json else "\n".join(lines))
    return report.exit_code
