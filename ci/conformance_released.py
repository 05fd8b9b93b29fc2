"""The part of ci/conformance on a released, trained model (`released_model`): beam search as the client's.

ours DIR PYTHON     probabilities of its 8-bit IR in DIR/*.npy, and in DIR/ours.json what `Beam` makes of them
client DIR          DIR/client.json: what the client's own decoder makes of them; in the environment of `stt`
report DIR PAGE.md  compares them, and puts the result into the page between two marks; exit code 1 below the goals
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

WIDTH = 500
CLIPS = 12  # of those that are spoken: the client's decoder takes half a second for one of audio
MARKS = "<!-- a released model: begin -->\n", "<!-- a released model: end -->\n"
GOALS = {"near": 0.95, "confidence": 1.0}
FRAME = 0.02  # seconds

TEXT = """
## A released model

Coqui's model of Armenian in PyPI's `armspeech` 0.1.4 (H = 2048, 8 bits, 41 classes with the blank) on {clips}
recordings: speech by espeak-ng, noise, silence and nothing at all (`ci/released_model.py`), {seconds:.0f} s together.
The probabilities of its 8-bit IR were decoded by the client's own decoder (`coqui-stt-ctcdecoder` 1.4.0) and by
`Beam`, both {width} wide:

| | |
|---|---|
| equal texts | {equal} of {clips} |
| letters | {letters} |
| that begin in the client's frame | {exact:.1%} |
| that begin within one frame of it | {near:.1%} |
| largest difference of confidence, natural logarithm | {confidence:.1g} |
| processor time of `Beam` against the client's decoder, called from Python | {ratio:.2f} × |
"""


def ours(folder: Path, python: str) -> None:
    from conformance import samples_of
    from released_model import fetch, write_clips

    from deepspeech_recipe import convert
    from deepspeech_recipe.runtime import Beam, Recognizer

    path = fetch(folder, python)
    clips = write_clips(folder / "clips")
    for name in [each for each in clips if each.startswith("clip-")][CLIPS:]:
        del clips[name]
    result = convert(path, folder, name="released", converter="openvino", verify=False, weights="int8")
    labels = result.metadata["alphabet"]["labels"]
    (folder / "alphabet.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    recognizer = Recognizer(result.files[0], config={"INFERENCE_NUM_THREADS": 1})
    decoder, found = Beam(WIDTH).for_model([label.encode() for label in labels]), {}
    for name, clip in clips.items():
        probabilities = recognizer.features(samples_of(clip))
        np.save(folder / f"{name}.npy", probabilities)
        begin = time.process_time()
        utterance = decoder.start()
        utterance.feed(probabilities)
        best = utterance.finish()[0]
        found[name] = {
            "text": "".join(labels[token.label] for token in best.tokens),
            "frames": [token.start for token in best.tokens],
            "confidence": best.confidence,
            "work": time.process_time() - begin,
        }
    (folder / "ours.json").write_text(json.dumps(found))


def client(folder: Path) -> None:
    import coqui_stt_ctcdecoder as decoder

    alphabet, found = decoder.Alphabet(str(folder / "alphabet.txt")), {}
    for path in sorted(folder.glob("*.npy")):
        probabilities, begin = np.load(path).astype(np.float64), time.process_time()
        best = decoder.ctc_beam_search_decoder(probabilities, alphabet, WIDTH)[0]
        work = time.process_time() - begin
        frames = [int(each) for each in best.timesteps]
        found[path.stem] = {"text": best.transcript, "frames": frames, "confidence": best.confidence, "work": work}
    (folder / "client.json").write_text(json.dumps(found))


def report(folder: Path, page: Path) -> int:
    found, theirs = (json.loads((folder / f"{name}.json").read_text()) for name in ("ours", "client"))
    pairs = [(found[name], theirs[name]) for name in theirs]
    equal = [(one, other) for one, other in pairs if one["text"] == other["text"]]
    apart = np.concatenate([np.abs(np.subtract(one["frames"], other["frames"])) for one, other in equal])
    facts = {
        "clips": len(pairs),
        "seconds": FRAME * sum(len(np.load(folder / f"{name}.npy")) for name in theirs),
        "width": WIDTH,
        "equal": len(equal),
        "letters": len(apart),
        "exact": float((apart == 0).mean()),
        "near": float((apart <= 1).mean()),
        "confidence": max(abs(one["confidence"] - other["confidence"]) for one, other in equal),
        "ratio": sum(one["work"] for one, _ in pairs) / sum(other["work"] for _, other in pairs),
    }
    text = page.read_text(encoding="utf-8").partition(MARKS[0])[0].rstrip("\n")
    page.write_text(f"{text}\n\n{MARKS[0]}{TEXT.format(**facts)}{MARKS[1]}", encoding="utf-8")
    print(TEXT.format(**facts))
    kept = len(equal) == len(pairs) and facts["near"] >= GOALS["near"] and facts["confidence"] <= GOALS["confidence"]
    return 0 if kept else 1


if __name__ == "__main__":
    step, directory, *more = sys.argv[1:]
    steps = {"ours": ours, "client": client, "report": lambda folder, path: sys.exit(report(folder, Path(path)))}
    steps[step](Path(directory), *more)
