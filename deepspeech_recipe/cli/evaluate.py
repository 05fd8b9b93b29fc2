"""Counts the errors of an IR on a test set: WER and CER by jiwer, and the real-time factor.

TESTSET is a CSV file with the columns of DeepSpeech's own: wav_filename, wav_filesize, transcript. A column `group`,
or another that --group names, gives a line for each of its values. Or it is a folder of LibriSpeech as it is unpacked,
whose groups are `speaker` and `chapter`.
"""

import json
from collections.abc import Iterator

from deepspeech_recipe.cli import recognition
from deepspeech_recipe.cli.progress import Progress
from deepspeech_recipe.cli.text import rows

HELP = "error rates on a test set"


def add_arguments(parser) -> None:
    parser.add_argument("manifest", metavar="TESTSET", help="MANIFEST.csv, or a folder such as LibriSpeech/test-clean")
    recognition.add_arguments(parser)
    parser.add_argument(
        "--group", metavar="COLUMN", help="count apart by this column (default: group, if there is one)"
    )
    parser.add_argument("--texts", action="store_true", help="print what was said and what was heard, too")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments) -> int:
    from deepspeech_recipe.runtime.evaluate import evaluate

    with Progress("clips") as progress:
        found = evaluate(
            arguments.manifest, arguments.model, device=arguments.device, alphabet=arguments.alphabet,
            group=arguments.group, decoder=recognition.decoder(arguments), log=progress.log, progress=progress,
        )  # fmt: skip
    if arguments.json:
        print(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(found, arguments.texts)))
    return 0


def _lines(found, texts: bool) -> Iterator[str]:
    if texts:
        for each in found.texts:
            yield each["file"]
            yield from rows([("said", each["transcript"]), ("heard", each["text"])])
    table: list[tuple[str, ...]] = [("", "WER", "CER", "words", "clips", "seconds", "RTF")]
    table += [_row(name, score) for name, score in found.groups.items()]
    yield from rows([*table, _row("all", found.total)])


def _row(name: str, score) -> tuple[str, ...]:
    rates = ["-" if rate is None else f"{rate:.2%}" for rate in (score.wer, score.cer)]
    return name, *rates, str(score.words), str(score.clips), f"{score.seconds:.1f}", f"{score.rtf:.3f}"
