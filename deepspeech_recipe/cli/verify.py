"""Runs the same chained chunks through the original model and through an IR, and compares probabilities, states and
text. The original runs in TensorFlow if it is installed, else in OpenVINO's own TensorFlow frontend or in numpy.
"""

import json

HELP = "is an IR the same as its model?"


def add_arguments(parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model file the IR was made of")
    parser.add_argument("ir", metavar="IR.xml")
    parser.add_argument(
        "--audio", nargs="+", default=[], metavar="WAV",
        help="recordings to compare on (default: built-in ones, and random features)",
    )  # fmt: skip
    parser.add_argument("--device", default="CPU", help="OpenVINO device that runs the IR (default: CPU)")
    parser.add_argument(
        "--reference", default="auto", choices=("auto", "tensorflow", "openvino", "numpy"),
        help="what runs the original (default: auto)",
    )  # fmt: skip
    parser.add_argument("--plot", metavar="PNG", help="draw the probabilities of both and their difference")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments) -> int:
    from deepspeech_recipe.verify import verify

    report = verify(
        arguments.model, arguments.ir, audio=arguments.audio, device=arguments.device, plot=arguments.plot,
        reference=arguments.reference,
    )  # fmt: skip
    print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False) if arguments.json else "\n".join(report.lines()))
    return report.exit_code
