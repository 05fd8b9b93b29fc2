"""Speed, side by side: one long-lived process for each contender, which take turns."""

from deepspeech_recipe.benchmarking.report import Report
from deepspeech_recipe.benchmarking.run import benchmark

__all__ = ["Report", "benchmark"]
