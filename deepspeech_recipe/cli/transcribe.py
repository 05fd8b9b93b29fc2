"""Prints the text of recordings: WAV, FLAC or OGG, of any sample rate; or of a microphone, until Ctrl-C.

One recording: its text alone. Several: `FILE: text` for each.
"""

import json
import shutil
import sys
from collections.abc import Iterator

from deepspeech_recipe.cli import recognition
from deepspeech_recipe.cli.progress import Progress
from deepspeech_recipe.errors import RecipeError

HELP = "recordings → text"


def add_arguments(parser) -> None:
    parser.add_argument("audio", nargs="*", metavar="WAV", help="recordings")
    recognition.add_arguments(parser)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--stream", action="store_true", help="hear them at real-time pace, partial text on stderr")
    source.add_argument("--mic", action="store_true", help="listen to the microphone")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--srt", action="store_true", help="print SubRip subtitles (of one recording)")
    form.add_argument("--vtt", action="store_true", help="print WebVTT subtitles (of one recording)")
    form.add_argument("--json", action="store_true", help="print one JSON document, with times and confidences")


def run(arguments) -> int:
    from deepspeech_recipe.runtime.transcribe import transcribed

    _check(arguments)
    recognizer = recognition.recognizer(arguments)
    names = ["microphone"] if arguments.mic else arguments.audio
    results = []
    with Progress("s of audio") as progress:
        if arguments.mic or arguments.stream:
            found = _live(recognizer, arguments)
        else:
            found = transcribed(recognizer, names, progress.log, progress)
        for name, result in zip(names, found, strict=True):
            if arguments.json:
                results.append({"file": name, **result.as_dict()})
            else:
                progress.log(_text(result, arguments, name if len(names) > 1 else None), sys.stdout)
    if arguments.json:
        document = {"model": arguments.model, "results": results}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    return 0


def _check(arguments) -> None:
    if arguments.mic and arguments.audio:
        raise RecipeError("transcribe: --mic listens to the microphone and takes no files. Leave one of them out.")
    if not arguments.mic and not arguments.audio:
        raise RecipeError("transcribe: no recording is given (see deepspeech-recipe transcribe --help)")
    if (arguments.srt or arguments.vtt) and len(arguments.audio) > 1:
        raise RecipeError("transcribe: subtitles are of one recording. Call the command once for each.")


def _text(result, arguments, name: str | None) -> str:
    from deepspeech_recipe.runtime import subtitles

    if arguments.srt or arguments.vtt:
        return (subtitles.srt if arguments.srt else subtitles.vtt)(result.words).rstrip("\n")
    return result.text if name is None else f"{name}: {result.text}"


def _live(recognizer, arguments) -> Iterator:
    """Yields results, and prints partial texts on stderr while the audio comes."""
    from deepspeech_recipe.runtime.recordings.audio_files import audio_blocks
    from deepspeech_recipe.runtime.recordings.live import at_real_time, microphone

    rate = recognizer.sample_rate
    if arguments.mic:
        yield _heard(recognizer.stream(), microphone(rate), stop=KeyboardInterrupt)
        return
    for path in arguments.audio:
        yield _heard(recognizer.stream(), at_real_time(audio_blocks(path, rate, recognition.log), rate))


def _heard(stream, blocks, stop: type[BaseException] | tuple[()] = ()):
    """Feeds a stream and shows its partial texts. stop: the exception that ends the audio."""
    line = _Line()
    try:
        for block in blocks:
            stream.feed(block)
            line.show(stream.partial())
    except stop:
        pass
    finally:
        line.clear()
    return stream.finish_with_metadata()


class _Line:
    """A text that is written over itself on a terminal, and line by line elsewhere."""

    def __init__(self):
        self._text = ""
        self._terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        if text == self._text:
            return
        self._text = text
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{text[-width:]}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._terminal and self._text:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
