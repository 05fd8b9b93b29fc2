"""Writes the graph of a memory-mapped package (.pbmm) as an ordinary frozen graph (.pb)."""

HELP = "a .pbmm file → an ordinary .pb"


def add_arguments(parser) -> None:
    parser.add_argument("model", metavar="MODEL.pbmm")
    parser.add_argument("output", metavar="OUT.pb")


def run(arguments) -> int:
    from deepspeech_recipe.sources.unpack import unpack

    print(unpack(arguments.model, arguments.output))
    return 0
