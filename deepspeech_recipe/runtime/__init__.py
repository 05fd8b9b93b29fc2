"""Speech recognition with converted IRs: audio in, text out. Needs numpy and OpenVINO.

from deepspeech_recipe.runtime import Recognizer

recognizer = Recognizer("model.xml")
print(recognizer.transcribe(samples).text)

stream = recognizer.stream()
stream.feed(block)
print(stream.partial())
print(stream.finish())
"""

from deepspeech_recipe.runtime.decoders.greedy import Greedy
from deepspeech_recipe.runtime.recognizer import Recognizer
from deepspeech_recipe.runtime.result import Letter, Result, Word
from deepspeech_recipe.runtime.stateful import StatefulModel
from deepspeech_recipe.runtime.stream import Stream

__all__ = ["Greedy", "Letter", "Recognizer", "Result", "StatefulModel", "Stream", "Word"]
