"""How much a model file may ask for. A file is data from anywhere: a few bytes of it can stand for terabytes or years.

The bounds are far above what models need. `DEEPSPEECH_RECIPE_LIMITS=4` in the environment makes all of them four times
as wide, for a file that is trusted and larger.
"""

import os

from deepspeech_recipe.errors import RecipeError, Refusal

VARIABLE = "DEEPSPEECH_RECIPE_LIMITS"

NODES = 100_000  # of a graph and its functions; of a graph whose calls are written out
CALLS_WITHIN_CALLS = 100  # functions that call functions
EXPANDED = 64 * 2**20  # bytes that constants are in memory beyond those the file holds for them
WINDOWS = 2**24  # numbers in one call's input
WINDOW = 8192  # samples that are one frame; as a matrix, its transform has half the square of them
CHANNELS = 1024  # of a mel bank
UNPACKED = 32 * 2**20  # bytes that an archive may unpack to besides ten times its own size
MEMBERS = 2000  # files that are taken out of an archive
FOLDERS = 2000  # folders that these lie in
CONVERSION = 8  # seconds of processor time for OpenVINO's frontend, where a graph keeps its loops
DEPTH = 32  # of folders in each other
TEXT_FIELDS = 300_000  # of a message in protobuf's text format, which is read by a hundred thousand a second
PIPE = 4 * 2**30  # bytes that come through a pipe, of a recording with a header
AUDIO = 64 * 2**20  # bytes that samples are in memory beyond a hundred times their file (speech in Opus: 85 times)


def allowed(bound: float) -> float:
    """The bound, as wide as the user wants it. Raises RecipeError if the environment has another text."""
    text = os.environ.get(VARIABLE) or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise RecipeError(f"The environment variable {VARIABLE} must be a number above zero, not '{text}'.")
    return bound * factor


def check(reason: str, wanted: float, bound: float, *, node: str = "") -> None:
    """Raises Refusal, with the reason and the node, if `wanted` exceeds what is allowed of a bound."""
    if wanted > allowed(bound):
        raise Refusal(reason, node=node, remedy=remedy(wanted, bound))


def remedy(wanted: float, bound: float) -> str:
    """What a refusal says if `wanted` exceeds `allowed(bound)`."""
    return (
        f"The limit is {allowed(bound):.0f}. For a file that you trust, set {VARIABLE}={-(-wanted // bound):.0f} in "
        "the environment, which widens all limits"
    )
