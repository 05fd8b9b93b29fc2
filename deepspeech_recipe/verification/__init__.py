"""The original and the IR, chunk by chunk: are they the same, and where do they part?"""

from deepspeech_recipe.verification.report import Check, RecordingResult, Report
from deepspeech_recipe.verification.run import verify

__all__ = ["Check", "RecordingResult", "Report", "verify"]
