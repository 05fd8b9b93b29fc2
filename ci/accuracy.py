"""Does an IR hear what TensorFlow hears? `accuracy.py DIR PAGE.md`, see ci/accuracy.

TensorFlow runs the bundled graph as DeepSpeech's client does (training/frozen.py), and its probabilities are decoded by
training/text.py; the IRs run through `deepspeech_recipe.evaluate`.
"""

import csv
import sys
from pathlib import Path

import jiwer

from deepspeech_recipe import convert, evaluate
from deepspeech_recipe.runtime.recordings.clips import read_clips
from deepspeech_recipe.verification.recordings import read_recording
from training import make_clips
from training.frozen import Frozen
from training.plan import digest, plan
from training.text import greedy

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "deepspeech_recipe" / "data" / "model"
GROUPS = {
    "bundled": "bundled recordings",
    "texts": "unseen texts, known voices",
    "voices": "unseen texts, unseen voices",
    "accent": "unseen texts, unseen accent",
}
# What is converted how; exact: every text must be TensorFlow's.
IRS = {
    "`convert`, by `mo`": ({"converter": "mo"}, True),
    "`convert`, by OpenVINO's frontend": ({"converter": "openvino"}, True),
    "`--audio attached`": ({"converter": "openvino", "audio": "attached"}, True),
    "`--audio attached --state internal`": ({"converter": "openvino", "audio": "attached", "state": "internal"}, True),
    "`--weights fp16`": ({"converter": "openvino", "weights": "fp16"}, False),
}

PAGE = """# Accuracy

Text through an IR against text through TensorFlow, on the bundled model: greedy decoding, no language model. Written by
`ci/accuracy`, which fails if any text of a float32 IR differs from TensorFlow's.

The recordings: the six bundled ones, and the test groups of the [training plan](../training/README.md), {clips} spoken
by espeak-ng with a level, noise and silence around. Texts, voices and seed were fixed before the model was trained
(SHA-256 of the manifest: `{digest}`);
nothing of them was trained on. What the groups are, and rates by voice and accent, is in the [model
card](../deepspeech_recipe/data/model/MODEL_CARD.md). The speech is synthetic: these figures say that the conversion
keeps the text, not how well a model hears people. For that see [error rates](runtime.md#error-rates).

| recordings | clips | words | letters | WER TensorFlow | WER IR | CER TensorFlow | CER IR | other texts |
|---|---|---|---|---|---|---|---|---|
{groups}

The IR of this table is that of `convert` with its defaults, by `mo`. All recordings through other IRs of the graph:

| IR | WER | CER | other texts than TensorFlow's |
|---|---|---|---|
| TensorFlow | {wer} | {cer} | |
{irs}
"""


def manifest(folder: Path) -> Path:
    """Every recording, the bundled ones first."""
    make_clips.main(folder)
    path = folder / "all.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["wav_filename", "wav_filesize", "transcript", "group"])
        for source, group in ((MODEL / "transcripts.csv", "bundled"), (folder / "clips.csv", None)):
            for clip in read_clips(source):
                table.writerow([clip.path, clip.path.stat().st_size, clip.transcript, group or clip.group])
    return path


def by_tensorflow(clips) -> list[str]:
    frozen = Frozen(MODEL / "output_graph.pb")
    found = []
    for clip in clips:
        pcm = (read_recording(clip.path, 16000).samples * 32768).astype("int16")
        found.append(" ".join(greedy(frozen.probabilities(frozen.mfccs(pcm))).split()))
    return found


def rate(measure, said, heard) -> str:
    return f"{100 * measure(said, heard):.2f} %"


def main(folder: Path, page: Path) -> int:
    path = manifest(folder)
    clips = read_clips(path)
    said = [clip.transcript for clip in clips]
    expected = by_tensorflow(clips)
    print(f"TensorFlow: {len(clips)} recordings", flush=True)
    heard, failed = {}, []
    for number, (name, (options, exact)) in enumerate(IRS.items()):
        ir = convert(MODEL / "output_graph.pb", folder, name=f"ir{number}", verify=False, **options).files[0]
        heard[name] = [" ".join(each["text"].split()) for each in evaluate(path, ir).texts]
        other = sum(a != b for a, b in zip(expected, heard[name], strict=True))
        print(f"{name}: {other} other texts", flush=True)
        if exact and other:
            failed.append(name)
    default = heard[next(iter(IRS))]
    groups = []
    for group, title in {**GROUPS, "": "all"}.items():
        rows = [row for row in zip(clips, said, expected, default, strict=True) if group in ("", row[0].group)]
        _, texts, theirs, ours = map(list, zip(*rows, strict=True))
        rates = [rate(measure, texts, each) for measure in (jiwer.wer, jiwer.cer) for each in (theirs, ours)]
        counts = [len(texts), sum(len(text.split()) for text in texts), sum(map(len, texts))]
        cells = [title, *counts, *rates, sum(a != b for a, b in zip(theirs, ours, strict=True))]
        groups.append(f"| {' | '.join(map(str, cells))} |")
    irs = []
    for name, texts in heard.items():
        other = sum(a != b for a, b in zip(expected, texts, strict=True))
        irs.append(f"| {name} | {rate(jiwer.wer, said, texts)} | {rate(jiwer.cer, said, texts)} | {other} |")
    rates = {"wer": rate(jiwer.wer, said, expected), "cer": rate(jiwer.cer, said, expected)}
    tables = {"groups": "\n".join(groups), "irs": "\n".join(irs)}
    page.write_text(PAGE.format(clips=len(clips) - 6, digest=digest(plan()), **rates, **tables), encoding="utf-8")
    print("\n".join(groups), tables["irs"], *(f"{name}: texts differ" for name in failed), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
