"""A picture of a comparison: probabilities of both models over time, and their difference."""

from pathlib import Path

import numpy as np

from deepspeech_recipe.files import atomic_path
from deepspeech_recipe.installation import needed
from deepspeech_recipe.verification.compare import Comparison

_MOST_PANELS = 4  # recordings in one picture
_SMALLEST_ERROR = 1e-9  # a logarithmic axis has no zero


def plotter():
    """A function (comparisons, limit, path) that writes a PNG. Raises RecipeError if matplotlib is missing."""
    matplotlib = needed("--plot needs matplotlib: pip install matplotlib", "matplotlib.figure")

    def draw(comparisons: list[Comparison], limit: float, path) -> None:
        shown = comparisons[:_MOST_PANELS]
        figure = matplotlib.Figure(figsize=(5.2 * len(shown), 7.5), layout="constrained")
        columns = figure.subplots(3, len(shown), squeeze=False, sharex="col").T
        for comparison, axes in zip(shown, columns, strict=True):
            _panel(axes, comparison, limit)
        with atomic_path(Path(path)) as temporary:
            figure.savefig(temporary, format="png", dpi=110)

    return draw


def _panel(axes, comparison: Comparison, limit: float) -> None:
    valid = comparison.valid[:, 0]
    runs = [("original", comparison.expected), ("IR", comparison.found)]
    for axis, (name, run) in zip(axes, runs, strict=False):
        image = axis.imshow(
            np.where(valid[:, None], run.probabilities[:, 0], np.nan).T,
            aspect="auto", origin="lower", interpolation="nearest", vmin=0, vmax=1, cmap="viridis",
        )  # fmt: skip
        axis.set_title(f"{comparison.name}: {name}", fontsize=10)
        axis.set_ylabel("class (blank on top)")
        axis.figure.colorbar(image, ax=axis, label="probability")
    errors = np.where(valid, np.maximum(comparison.errors()[:, 0], _SMALLEST_ERROR), np.nan)
    axis = axes[2]
    axis.semilogy(errors, color="tab:blue", linewidth=1.2, label="largest over the classes")
    axis.axhline(limit, color="tab:red", linestyle="--", linewidth=1, label=f"limit {limit:.0e}")
    for end in np.cumsum(comparison.chunks)[:-1]:
        axis.axvline(end - 0.5, color="0.85", linewidth=0.5, zorder=0)
    axis.set_ylim(_SMALLEST_ERROR, 2)
    axis.set_xlabel("window (grey lines: chunks)")
    axis.set_ylabel("difference of probabilities")
    axis.legend(fontsize=8, loc="upper right")
