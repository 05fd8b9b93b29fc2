"""The steps of ci/conformance that the clients' Pythons run too (3.9 at the oldest), and the report.

client DIR NAME         texts by a real client, of DIR/plan.json, to DIR/NAME.json
report DIR PAGE.md      compares them with DIR/ours.json and writes the table; exit code 1 where a text differs
                        that must not, or nothing was said

The other step, which writes plan.json and ours.json, is ci/conformance_ours.py.
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BLOCK = 3000  # samples: no multiple of anything
WAYS = ("whole", "streamed")
# Setting → beam width, a scorer's weights (None: its own), hot words.
SETTINGS = {
    "beam width 1": {"beam": 1},
    "beam width 100": {"beam": 100},
    "scorer": {"beam": 100, "weights": None},
    "scorer, alpha 2, beta -1": {"beam": 100, "weights": [2.0, -1.0]},
    "scorer, hot words": {"beam": 100, "weights": None, "hot": {"stop": 7.5, "two": -12.0, "quieter": 4.0}},
}
DECODER_BEAM = 100


def samples_of(path) -> np.ndarray:
    """int16 samples of a 16 kHz mono WAV."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def client(folder: Path, name: str) -> None:
    module = __import__(name)
    decoder = __import__({"deepspeech": "ds_ctcdecoder", "stt": "coqui_stt_ctcdecoder"}[name])
    plan = json.loads((folder / "plan.json").read_text())
    found = {}
    for entry in plan["models"]:
        if entry["client"] != name:
            continue
        model = module.Model(entry["path"])
        texts = found[entry["name"]] = {}
        for setting in entry["settings"]:
            prepare(model, SETTINGS[setting], plan["scorer"])
            texts[setting] = {clip: heard(model, samples_of(path)) for clip, path in entry["clips"].items()}
            print(entry["name"], setting, *list(texts[setting].items())[:1], sep="  ", flush=True)
        (folder / "alphabet.txt").write_text("".join(f"{label}\n" for label in entry["labels"]), encoding="utf-8")
        alphabet = decoder.Alphabet(str(folder / "alphabet.txt"))
        texts["its decoder"] = {}
        for clip, path in entry["probabilities"].items():
            best = decoder.ctc_beam_search_decoder(np.load(path).astype(np.float64), alphabet, DECODER_BEAM)[0]
            texts["its decoder"][clip] = best.transcript if hasattr(best, "transcript") else best[1]
    (folder / f"{name}.json").write_text(json.dumps(found))


def prepare(model, setting: dict, scorer: str) -> None:
    model.setBeamWidth(setting["beam"])
    if "weights" not in setting:
        return
    model.enableExternalScorer(scorer)
    if setting["weights"]:
        model.setScorerAlphaBeta(*setting["weights"])
    for word, boost in setting.get("hot", {}).items():
        model.addHotWord(word, boost)


def heard(model, samples) -> dict:
    stream = model.createStream()
    for start in range(0, len(samples), BLOCK):
        stream.feedAudioContent(samples[start : start + BLOCK])
    best = model.sttWithMetadata(samples, 1).transcripts[0]
    return {
        "whole": "".join(token.text for token in best.tokens),
        "streamed": stream.finishStream(),
        "starts": [round(token.start_time, 6) for token in best.tokens],
    }


def report(folder: Path, page: Path) -> int:
    from conformance_report import write

    plan, ours, *theirs = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("plan", "ours", "deepspeech", "stt")
    )
    return write(page, plan, ours, {**theirs[0], **theirs[1]}, SETTINGS, BLOCK, DECODER_BEAM)


if __name__ == "__main__":
    step, directory, argument = sys.argv[1:]
    sys.exit(
        {"client": client, "report": report}[step](Path(directory), argument if step == "client" else Path(argument))
    )
