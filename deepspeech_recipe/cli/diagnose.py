"""Finds the first tensor in which an IR differs from its original: features, dense layers 1 to 3, LSTM output, states,
dense layers 5 and 6, head.

Exit code 1 if one differs.
"""

import json

HELP = "where an IR parts from its model"


def add_arguments(parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model file the IR was made of")
    parser.add_argument("ir", metavar="IR.xml")
    parser.add_argument(
        "--audio", nargs="+", default=[], metavar="WAV",
        help="recordings to compare on (default: built-in ones, and random features)",
    )  # fmt: skip
    parser.add_argument("--device", default="CPU", help="OpenVINO device that runs the IR (default: CPU)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments) -> int:
    from deepspeech_recipe.diagnose import diagnose

    found = diagnose(arguments.model, arguments.ir, audio=arguments.audio, device=arguments.device)
    print(json.dumps(found.as_dict(), indent=2, ensure_ascii=False) if arguments.json else "\n".join(found.lines()))
    return found.exit_code
