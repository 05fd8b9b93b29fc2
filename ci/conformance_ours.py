"""The step of ci/conformance that this project does: `conformance_ours.py DIR`.

Writes the models, recordings and the scorer that the clients get, DIR/plan.json, which names them, and DIR/ours.json:
the texts of IRs made of the same files. Needs TensorFlow (to write .tflite files), flashlight-text, and espeak-ng for
more than the bundled recordings.
"""

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from conformance import BLOCK, ROOT, SETTINGS, samples_of
from trained_tflite import write as write_tflite

from deepspeech_recipe import convert
from deepspeech_recipe.runtime import Greedy, Recognizer
from deepspeech_recipe.runtime.decoders import Beam, Scorer
from tests.support.scorer_writer import spell, words, write_scorer
from training import make_clips
from training.speech import write_wav
from training.text import ALPHABET

MODEL = ROOT / "deepspeech_recipe" / "data" / "model"
EXPORTER = ROOT / "tests" / "fixtures" / "exporter"
ONE_THREAD = {"INFERENCE_NUM_THREADS": 1}
# Of each test group. Coqui's client takes four threads for each window's features: ten times as long.
CLIPS = {"deepspeech": 100, "stt": 10}


def main(folder: Path) -> None:
    scorer = write_scorer(folder / "words.scorer", [spell(word, ALPHABET) for word in words()])
    bundled = {path.stem: str(path) for path in sorted((MODEL / "recordings").glob("*.wav"))}
    pieces = {**bundled, **cut(folder, [samples_of(path) for path in bundled.values()])}
    spoken = made(folder)
    models = []
    for client, name, path in files(folder):
        trained = "trained" in name
        more = {clip: path for group in spoken.values() for clip, path in list(group.items())[: CLIPS[client]]}
        models.append(
            {
                "client": client,
                "name": name,
                "path": str(path),
                "settings": settings_of(name),
                "clips": {**pieces, **more} if trained else bundled,
                "probabilities": {clip: str(folder / f"{len(models)}-{clip}.npy") for clip in bundled},
            }
        )
    ours = {}
    for model in models:
        started = time.perf_counter()
        ours[model["name"]] = texts_of(folder, model, scorer)
        print(f"{model['name']}: {time.perf_counter() - started:.0f} s", flush=True)
    (folder / "plan.json").write_text(json.dumps({"models": models, "scorer": str(scorer)}))
    (folder / "ours.json").write_text(json.dumps(ours))


def files(folder: Path):
    """(client, name, path). Not the fixture `other`: random weights of a byte model spell no UTF-8."""
    tflite = write_tflite(MODEL / "output_graph.pb", folder)
    yield "deepspeech", "trained, .pb", MODEL / "output_graph.pb"
    yield "deepspeech", "random, .pb", EXPORTER / "plain/output_graph.pb"
    yield "deepspeech", "random, .pbmm", EXPORTER / "plain/output_graph.pbmm"
    yield "stt", "trained, float .tflite", tflite["float"]
    yield "stt", "trained, int8 .tflite", tflite["int8"]
    yield "stt", "random, float .tflite", EXPORTER / "plain/float.tflite"
    yield "stt", "random, int8 .tflite", EXPORTER / "plain/int8.tflite"


def settings_of(name: str) -> list[str]:
    """Random weights spell no words: no language model could choose among them."""
    few = {"random": ("beam width 1", "beam width 100"), "int8": ("beam width 100", "scorer")}
    return next((list(settings) for kind, settings in few.items() if kind in name), list(SETTINGS))


def cut(folder: Path, recordings: list) -> dict[str, str]:
    """All recordings in one, and pieces of it at the edges of windows."""
    found, long = {}, np.concatenate(recordings)
    for count in (0, 1, 511, 512, 513, 5000, 10000, 20000, len(long)):
        path = folder / f"{count}-samples.wav"
        write_wav(path, long[:count])
        found[path.stem] = str(path)
    return found


def made(folder: Path) -> dict[str, dict[str, str]]:
    """Group → name → path of the training plan's test groups."""
    if not shutil.which("espeak-ng"):
        print("espeak-ng is not installed: the bundled recordings only.")
        return {}
    make_clips.main(folder / "clips", max(CLIPS.values()))
    paths = sorted((folder / "clips").glob("*.wav"))
    return {
        group: {path.stem: str(path) for path in paths if path.stem.startswith(group)} for group in make_clips.GROUPS
    }


def texts_of(folder: Path, model: dict, scorer: Path) -> dict:
    """Setting → clip → texts. Whole: the acoustic model, 16 steps a call; streamed: the streaming model."""
    irs = {}
    for kind, options in {"whole": {}, "streamed": {"audio": "attached", "state": "internal"}}.items():
        name = f"{Path(model['probabilities'][next(iter(model['probabilities']))]).name.split('-')[0]}-{kind}"
        result = convert(model["path"], folder, name=name, converter="openvino", verify=False, **options)
        irs[kind] = result.files[0]
    model["labels"] = result.metadata["alphabet"]["labels"]
    found = {}
    for setting in model["settings"]:
        decoder = decoder_of(SETTINGS[setting], scorer)
        whole, streamed = (Recognizer(irs[kind], decoder, config=ONE_THREAD) for kind in ("whole", "streamed"))
        found[setting] = {clip: heard(whole, streamed, path) for clip, path in model["clips"].items()}
    for clip, path in model["probabilities"].items():
        np.save(path, whole.features(samples_of(model["clips"][clip])))
    return found


def decoder_of(setting: dict, scorer: Path):
    if "weights" not in setting:
        return Greedy() if setting["beam"] == 1 else Beam(setting["beam"])
    alpha, beta = setting["weights"] or (None, None)
    return Scorer(scorer, alpha=alpha, beta=beta, beam_width=setting["beam"], hot_words=setting.get("hot"))


def heard(whole: Recognizer, streamed: Recognizer, path: str) -> dict:
    samples = samples_of(path)
    stream = streamed.stream()
    for start in range(0, len(samples), BLOCK):
        stream.feed(samples[start : start + BLOCK])
    result = whole.transcribe(samples)
    return {
        "whole": result.text,
        "streamed": stream.finish(),
        "starts": [letter.start for letter in result.letters],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
