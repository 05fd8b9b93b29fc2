"""Speech recognition with converted IRs: audio in, text out. Needs numpy and OpenVINO.

from deepspeech_recipe.runtime import Recognizer

recognizer = Recognizer("model.xml")
print(recognizer.transcribe(samples).text)

stream = recognizer.stream()
stream.feed(block)
print(stream.partial())
print(stream.finish())
"""

from deepspeech_recipe.ir.runner import StatefulModel
from deepspeech_recipe.runtime.decoders import Beam, Greedy, Scorer
from deepspeech_recipe.runtime.frame_features.deepspeech_v01 import DeepSpeechV01
from deepspeech_recipe.runtime.recognizer import Recognizer
from deepspeech_recipe.runtime.result import Letter, Result, Word
from deepspeech_recipe.runtime.stream import Stream

__all__ = [
    "Beam",
    "DeepSpeechV01",
    "Greedy",
    "Letter",
    "Recognizer",
    "Result",
    "Scorer",
    "StatefulModel",
    "Stream",
    "Word",
]
