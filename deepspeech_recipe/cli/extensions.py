"""Prints the directory of the Model Optimizer plugin, for `mo --extensions "$(deepspeech-recipe extensions)"`."""

HELP = "print the directory for `mo --extensions`"


def add_arguments(parser) -> None:
    pass


def run(arguments) -> int:
    from deepspeech_recipe.converters.extensions import extensions

    print(extensions())
    return 0
