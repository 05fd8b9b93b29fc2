"""Speed, side by side: one long-lived process for each contender, which take turns."""

from deepspeech_recipe.benchmark.report import Report
from deepspeech_recipe.benchmark.run import benchmark

__all__ = ["Report", "benchmark"]
