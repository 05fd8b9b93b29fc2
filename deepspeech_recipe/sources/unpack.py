"""A memory-mapped package (.pbmm) → an ordinary frozen graph (.pb)."""

import os
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import check_writable


def unpack(model: str | os.PathLike, output: str | os.PathLike) -> Path:
    """Writes the graph of a .pbmm file as a .pb, which appears whole or not at all; returns its path.

    Raises RecipeError if `model` is not such a file or is damaged, or if `output` cannot be written.
    """
    from deepspeech_recipe.sources import frozen, pbmm
    from deepspeech_recipe.sources.detect import Kind, detect

    model, output = Path(model), Path(output)
    check_writable(output)
    kind = detect(model)
    if kind is Kind.PB:
        frozen.read_binary(model)  # tells a damaged package from a frozen graph
        raise RecipeError(f"{model}: is a frozen graph (.pb) already; there is nothing to unpack.")
    if kind is not Kind.PBMM:
        raise RecipeError(f"{model}: is a {kind.value}, not a memory-mapped package (.pbmm).")
    pbmm.unpack(model, output)
    return output
