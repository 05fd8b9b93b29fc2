"""`conformance_released_report.py DIR PAGE.md`: what `conformance_released` and `released_tflite` left in DIR.

Compares it, and writes that into the page between two marks. Exit code 1, with a line for each, if something is
farther apart than it may be.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
from conformance_released import BLOCK, FRAME, KINDS, WAYS, WIDTHS, said

from deepspeech_recipe.benchmarking.markdown import table

MARKS = "<!-- a released model: begin -->\n", "<!-- a released model: end -->\n"
KERNELS = ("tflite, XNNPACK", "tflite, reference")
EXACT, NEAR, CONFIDENCE = 1e-4, 0.95, 1.0
WIDEST = str(WIDTHS[-1])
TEXTS = ("model", "audio", "beam width", "equal texts", "CER", "within one frame", "median", "largest")
PROBABILITIES = ("one", "the other", "other best class", "elsewhere", "largest")

TEXT = """
## A released model

Coqui's model of Armenian in PyPI's `armspeech` 0.1.4 (H = 2048, 8 bits, 41 classes with the blank) on {clips}
recordings: 60 utterances by espeak-ng, of two accents, six voices, many speeds and pitches, with noise, and noise,
silence and nothing at all (`ci/released_model.py`), {seconds:.0f} s together. Streamed is in blocks of {block} samples.

**Texts** against those of Coqui's `stt` 1.4.0 with the same file and beam width; where they are equal, letters that
begin within one frame of the client's, and how far confidences (natural logarithms) are apart. The last rows are the
file's probabilities by the kernels of TensorFlow 2.17's TensorFlow Lite, decoded by `Beam`.

{texts}

**Probabilities** of the same windows: frames with another best class, the mean share of probability that is elsewhere,
and the largest difference. TensorFlow Lite rounds the activations to 8 bits, each of its kernel sets in its own way; an
IR does so on processors with VNNI, if they are not to be FP32. This run was on one {vnni} VNNI.

{probabilities}

**Beam search** by the client's own decoder (`coqui-stt-ctcdecoder` 1.4.0) and by `Beam`, both {width} wide, of the
probabilities of the 8-bit IR:

{search}

"""


def main(folder: Path, page: Path) -> int:
    probabilities = {name: dict(np.load(folder / f"{name}.npz")) for name in (*KINDS, *KERNELS)}
    client, decoder = (json.loads((folder / f"{name}.json").read_text()) for name in ("client", "decoder"))
    ours = {(kind, way): json.loads((folder / f"{kind}, {way}.json").read_text()) for kind in KINDS for way in WAYS}
    labels = (folder / "alphabet.txt").read_text(encoding="utf-8").splitlines()
    rows = [
        (kind, way, str(width), *compared(ours[kind, way], client[way], str(width)))
        for width in WIDTHS
        for kind in KINDS
        for way in WAYS
    ]
    rows += [
        (kernels, "whole", WIDEST, *compared(decoded(probabilities[kernels], labels), client["whole"], WIDEST))
        for kernels in KERNELS
    ]
    apart = {pair: difference(*map(probabilities.get, pair)) for pair in itertools.combinations((*KINDS, *KERNELS), 2)}
    pairs = [(ours["int8", "whole"][name][WIDEST], other[WIDEST]) for name, other in decoder.items()]
    search = searched(pairs)
    works = [sum(each["work"] for each in found.values()) for found in (ours["int8", "whole"], decoder)]
    search.append(("processor time of `Beam` against that decoder, called from Python", f"{works[0] / works[1]:.2f} ×"))
    text = TEXT.format(
        clips=len(decoder),
        seconds=FRAME * sum(map(len, probabilities["fp32"].values())),
        block=BLOCK,
        width=WIDEST,
        vnni="with" if "vnni" in Path("/proc/cpuinfo").read_text() else "without",
        texts="\n".join(table(TEXTS, rows)),
        probabilities="\n".join(
            table(
                PROBABILITIES,
                [(*pair, f"{one:.2%}", f"{two:.2%}", f"{three:.1e}") for pair, (one, two, three) in apart.items()],
            )
        ),
        search="\n".join(table(("", ""), search)),
    )
    head = page.read_text(encoding="utf-8").partition(MARKS[0])[0].rstrip("\n")
    page.write_text(f"{head}\n\n{MARKS[0]}{text.rstrip()}\n{MARKS[1]}", encoding="utf-8")
    failures = [*judged(apart), *(f"beam search, the same probabilities: {line}" for line in wrong(pairs))]
    print(text, *failures, sep="\n")
    return 1 if failures else 0


def decoded(probabilities: dict, labels: list[str]) -> dict:
    from deepspeech_recipe.runtime import Beam

    decoder, found = Beam(WIDTHS[-1]).for_model([label.encode() for label in labels]), {}
    for name, frames in probabilities.items():
        utterance = decoder.start()
        utterance.feed(frames)
        best = utterance.finish()[0]
        text = "".join(labels[token.label] for token in best.tokens)
        found[name] = {WIDEST: said(text, [FRAME * token.start for token in best.tokens], best.confidence)}
    return found


def compared(found: dict, client: dict, width: str) -> tuple[str, ...]:
    import jiwer

    pairs = [(found[name][width], theirs[width]) for name, theirs in client.items()]
    spoken = [(theirs["text"], one["text"]) for one, theirs in pairs if theirs["text"]]
    rate = jiwer.cer(*map(list, zip(*spoken, strict=True)))
    equal, near, confidences = agreeing(pairs)
    apart = f"{np.median(confidences):.2g}", f"{max(confidences):.2g}"
    return f"{equal} of {len(pairs)}", f"{rate:.1%}", f"{(near <= 1).mean():.1%} of {len(near)}", *apart


def agreeing(pairs: list) -> tuple[int, np.ndarray, list[float]]:
    """How many texts are equal; and of these, how many frames each letter is off, and how far confidences are apart."""
    equal = [(one, other) for one, other in pairs if one["text"] == other["text"]]
    frames = [np.abs(np.subtract(one["frames"], other["frames"])) for one, other in equal]
    return len(equal), np.concatenate(frames), [abs(one["confidence"] - other["confidence"]) for one, other in equal]


def difference(one: dict, other: dict) -> tuple[float, float, float]:
    first, second = (np.concatenate([found[name] for name in one]) for found in (one, other))
    apart = np.abs(first - second)
    return float((first.argmax(1) != second.argmax(1)).mean()), float(apart.sum(1).mean() / 2), float(apart.max())


def searched(pairs: list) -> list[tuple[str, str]]:
    equal, frames, confidences = agreeing(pairs)
    return [
        ("equal texts", f"{equal} of {len(pairs)}"),
        ("letters", str(len(frames))),
        ("that begin in the client's frame", f"{(frames == 0).mean():.1%}"),
        ("that begin within one frame of it", f"{(frames <= 1).mean():.1%}"),
        ("largest difference of confidence, natural logarithm", f"{max(confidences):.1g}"),
    ]


def wrong(pairs: list):
    equal, frames, confidences = agreeing(pairs)
    if equal < len(pairs):
        yield f"{len(pairs) - equal} texts differ"
    if not len(frames) or (frames <= 1).mean() < NEAR:
        yield "letters begin elsewhere"
    if max(confidences) > CONFIDENCE:
        yield "confidences differ"


def judged(apart: dict):
    """apart: of each pair, (frames with another best class, …, the largest difference)."""
    between = apart[KERNELS][0]
    rounded = min(apart["fp32", kernels][0] for kernels in KERNELS)
    for kernels in KERNELS:
        if apart["fp32", kernels][0] > between:
            yield f"fp32 is farther from {kernels} than TensorFlow Lite's kernels are from each other"
    if apart["fp32", "int8"][0] > rounded:
        yield "int8 is farther from fp32 than rounded activations explain"
    if apart["fp32", "int8, activations fp32"][2] > EXACT:
        yield "int8 with activations in fp32 is not the file's own"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
