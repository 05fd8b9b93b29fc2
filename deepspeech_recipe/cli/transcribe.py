"""Prints the text of recordings, or writes it to files: WAV, FLAC, OGG, Opus or MP3, of any sample rate; folders of
them, standard input, a microphone until Ctrl-C.

One recording: its text alone. Several: `FILE: text` for each. With -o, a file for each recording and format.

A recording that cannot be read is a line on stderr, and the others are done: exit code 1. If nothing can be begun: 2.
"""

import json
import shutil
import sys
from collections.abc import Iterator

from deepspeech_recipe.cli import console, recognition
from deepspeech_recipe.cli.progress import Progress
from deepspeech_recipe.cli.text import json_document
from deepspeech_recipe.errors import RecipeError

HELP = "recordings → text"


def add_arguments(parser) -> None:
    parser.add_argument("audio", nargs="*", metavar="AUDIO", help="files, folders, or - for standard input")
    recognition.add_arguments(parser)
    recordings = parser.add_argument_group("recordings")
    recognition.add_recordings(recordings)
    recognition.add_work(recordings)
    source = recordings.add_mutually_exclusive_group()
    source.add_argument("--stream", action="store_true", help="hear them at real-time pace, partial text on stderr")
    source.add_argument("--mic", action="store_true", help="listen to the microphone")
    files = parser.add_argument_group("results")
    files.add_argument("-o", "--output", metavar="DIR", help="write files there, in folders as the recordings'")
    files.add_argument(
        "--format", dest="formats", type=_formats, metavar="txt,srt,vtt,json", default=("txt",),
        help="which files (default: txt; only with -o)",
    )  # fmt: skip
    files.add_argument("--resume", action="store_true", help="leave out what is there, newer than recording and model")
    form = files.add_mutually_exclusive_group()
    form.add_argument("--srt", action="store_true", help="print SubRip subtitles (of one recording)")
    form.add_argument("--vtt", action="store_true", help="print WebVTT subtitles (of one recording)")
    form.add_argument("--json", action="store_true", help="print one JSON document, with times and confidences")
    form.add_argument("--jsonl", action="store_true", help="print a line of JSON for each as it is done")


def _formats(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.replace(" ", "").split(",")))


def run(arguments) -> int:
    _check(arguments)
    if arguments.mic or arguments.stream:
        return _live(arguments)
    from deepspeech_recipe.corpus.outcome import Summary
    from deepspeech_recipe.corpus.outputs import as_json
    from deepspeech_recipe.corpus.transcribe import transcribe_files

    summary, documents = Summary(), []
    with recognition.results(arguments) as stdout, Progress("s of audio") as progress:
        found = transcribe_files(
            arguments.audio, arguments.model, output=arguments.output, formats=arguments.formats,
            resume=arguments.resume, decoder=recognition.decoder(arguments), device=arguments.device,
            precision=arguments.precision,
            alphabet=arguments.alphabet, weights=arguments.weights, recursive=arguments.recursive, raw=arguments.raw,
            batch=arguments.batch, cluster=arguments.cluster, ordered=not (arguments.output or arguments.jsonl),
            on_failure=lambda outcome: progress.log(console.error(outcome.error)), log=progress.note, progress=progress,
        )  # fmt: skip
        for outcome in found:
            summary.add(outcome)
            name = outcome.recording.name
            if outcome.skipped:
                continue
            if arguments.json or arguments.jsonl:
                document = {"file": name, "error": outcome.error} if outcome.error else as_json(name, outcome.result)
                if arguments.jsonl:
                    progress.log(json.dumps(document, ensure_ascii=False), stdout)
                else:
                    documents.append(document)
            elif not (outcome.error or arguments.output):
                progress.log(_text(outcome.result, arguments, None if arguments.audio == [name] else name), stdout)
    if arguments.json:
        print(json_document({"model": arguments.model, "results": documents}))
    if arguments.output or (summary.failed and summary.count > 1):
        console.note(summary.line())
    return summary.exit_code


def _check(arguments) -> None:
    live = arguments.mic or arguments.stream
    if arguments.mic and arguments.audio:
        raise RecipeError("transcribe: --mic listens to the microphone and takes no files. Leave one of them out.")
    if not arguments.mic and not arguments.audio:
        raise RecipeError("transcribe: no recording is given (see deepspeech-recipe transcribe --help)")
    if arguments.formats != ("txt",) and arguments.output is None:
        raise RecipeError("transcribe: --format is of files: give their folder with -o, or use --srt, --vtt or --json.")
    if (arguments.srt or arguments.vtt) and (arguments.output or len(arguments.audio) > 1):
        raise RecipeError(
            "transcribe: subtitles are of one recording, on stdout. For several, or files: -o DIR --format srt,vtt."
        )
    if live and (arguments.output or arguments.cluster or arguments.jsonl or arguments.recursive):
        raise RecipeError(
            "transcribe: live audio goes to stdout, from this machine. Leave out -o, --recursive, --jsonl, --cluster."
        )


def _text(result, arguments, name: str | None) -> str:
    from deepspeech_recipe.corpus import subtitles

    if arguments.srt or arguments.vtt:
        return (subtitles.srt if arguments.srt else subtitles.vtt)(result.words).rstrip("\n")
    return result.text if name is None else f"{name}: {result.text}"


def _live(arguments) -> int:
    from deepspeech_recipe.corpus.outputs import as_json

    names, documents = ["microphone"] if arguments.mic else arguments.audio, []
    for name, result in zip(names, _results(recognition.recognizer(arguments), arguments), strict=True):
        if arguments.json:
            documents.append(as_json(name, result))
        else:
            print(_text(result, arguments, name if len(names) > 1 else None), flush=True)
    if arguments.json:
        print(json_document({"model": arguments.model, "results": documents}))
    return 0


def _results(recognizer, arguments) -> Iterator:
    """Yields results, and prints partial texts on stderr while the audio comes."""
    from deepspeech_recipe.runtime.recordings.audio_files import at_rate
    from deepspeech_recipe.runtime.recordings.incoming import open_recording
    from deepspeech_recipe.runtime.recordings.live import at_real_time, microphone

    rate = recognizer.sample_rate
    if arguments.mic:
        yield _heard(recognizer.stream(), microphone(rate), stop=KeyboardInterrupt)
        return
    for path in arguments.audio:
        with open_recording(path, arguments.raw) as audio:
            yield _heard(recognizer.stream(), at_real_time(at_rate(audio, path, rate, console.note), rate))


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
        if text == self._text or console.is_quiet():
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
