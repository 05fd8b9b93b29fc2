"""Counts the errors of an IR on a test set: WER and CER by jiwer, and the real-time factor.

TESTSET is a CSV file with the columns of DeepSpeech's own: wav_filename, wav_filesize, transcript; --columns names
others. A column `group`, or another that --group names, gives a line for each of its values. Or it is a folder of
LibriSpeech as it is unpacked, whose groups are `speaker` and `chapter`.

A clip that cannot be recognised is a line on stderr and not counted: exit code 1.
"""

import argparse
from collections.abc import Iterator

from deepspeech_recipe.cli import console, recognition
from deepspeech_recipe.cli.progress import Progress
from deepspeech_recipe.cli.text import json_document, rows

HELP = "error rates on a test set"


def add_arguments(parser) -> None:
    parser.add_argument("manifest", metavar="TESTSET", help="MANIFEST.csv, or a folder such as LibriSpeech/test-clean")
    recognition.add_arguments(parser)
    parser.add_argument(
        "--group", metavar="COLUMN", help="count apart by this column (default: group, if there is one)"
    )
    parser.add_argument(
        "--columns", type=_columns, default=argparse.SUPPRESS, metavar="FILE,TEXT",
        help="columns of a CSV or TSV: of the recordings and of what is said (default: wav_filename,transcript)",
    )  # fmt: skip
    parser.add_argument("--normalise", action="store_true", help="compare without case and punctuation")
    recognition.add_work(parser)
    parser.add_argument("--texts", action="store_true", help="print what was said and what was heard, too")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _columns(text: str) -> tuple[str, str]:
    names = tuple(text.split(","))
    if len(names) != 2 or not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form FILE,TEXT")
    return names


def run(arguments) -> int:
    from deepspeech_recipe.corpus.evaluate import evaluate

    columns = {"columns": arguments.columns} if hasattr(arguments, "columns") else {}
    with recognition.results(arguments), Progress("s of audio") as progress:
        found = evaluate(
            arguments.manifest, arguments.model, device=arguments.device, precision=arguments.precision,
            alphabet=arguments.alphabet,
            weights=arguments.weights, group=arguments.group, **columns, normalise=arguments.normalise,
            batch=arguments.batch, cluster=arguments.cluster, decoder=recognition.decoder(arguments),
            log=progress.note, on_failure=lambda text: progress.log(console.error(text)), progress=progress,
        )  # fmt: skip
    if arguments.json:
        print(json_document(found.as_dict()))
    else:
        print("\n".join(_lines(found, arguments.texts)))
        if found.plain is not None:
            console.note(
                f"Without case and punctuation the WER is {found.plain.wer:.2%}, not {found.total.wer:.2%}: the "
                "transcripts are written in another way than the model's. --normalise counts so."
            )
    return int(bool(found.failed))


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
