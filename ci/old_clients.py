"""Texts of the clients of v0.2 to v0.4 and of IRs with audio: `ci/old-clients` runs this, a part in each environment.

`listen` runs on Python 3.6 with numpy and the client alone.
"""

import json
import sys
from pathlib import Path

import numpy as np

# The graph that each client gets, and its file of letters.
RELEASES = {"0.2.0": "0.3", "0.3.0": "0.3", "0.4.1": "0.4"}
LENGTHS = (300, 400, 512, 560, 700, 8000, 8111, 8160, 8192, 8320, 8352, 10**9)
BLOCK = 1000
FORMS = {
    "windows": {"time_steps": "dynamic"},
    "windows of 16": {"time_steps": 16},
    "separate": {"time_steps": "dynamic", "audio": "separate"},
    "attached": {"audio": "attached"},
    "streaming": {"audio": "attached", "state": "internal"},
    "lengths": {"audio": "attached", "batch": "dynamic", "lengths": "input"},
}


def prepare(work: Path) -> None:
    """Random graphs that these old clients can load, their alphabets, and int16 samples at 16 kHz."""
    import tensorflow as tf
    from tensorflow.python.framework.meta_graph import strip_graph_default_valued_attrs

    from tests.graphs.deepspeech import like_release
    from tests.support.bundled import samples_of, transcripts

    for release in sorted(set(RELEASES.values())):
        built = like_release(release, n_steps=16)
        graph = tf.compat.v1.MetaGraphDef()
        graph.graph_def.ParseFromString(built.graph_def)
        strip_graph_default_valued_attrs(graph)  # TensorFlow 1.6 knows few of them
        (work / f"{release}.pb").write_bytes(graph.graph_def.SerializeToString())
        (work / f"{release}.txt").write_bytes(b"\n".join(built.alphabet) + b"\n")
    clips = {}
    for path in list(transcripts())[:3]:
        samples = np.round(samples_of(path) * 32768).astype(np.int16)
        for length in LENGTHS:
            begin = 0 if length > len(samples) else min(4000, len(samples) - length)
            clips[f"{path.stem} {length}"] = samples[begin : begin + length]
    np.savez(work / "clips.npz", **clips)


def listen(work: Path, version: str) -> None:
    """Texts of a client, of whole clips and of streams."""
    import deepspeech

    release = RELEASES[version]
    model = deepspeech.Model(str(work / f"{release}.pb"), 26, 9, str(work / f"{release}.txt"), 1)
    texts = {}
    with np.load(str(work / "clips.npz")) as clips:
        for name in clips.files:
            samples = clips[name]
            stream = model.setupStream(150, 16000)
            for at in range(0, len(samples), BLOCK):
                model.feedAudioContent(stream, samples[at : at + BLOCK])
            streamed = model.finishStream(stream)  # the session has one state, so no call may come between
            texts[name] = [model.stt(samples, 16000), streamed]
    (work / f"{version}.json").write_text(json.dumps(texts))


def compare(work: Path) -> int:
    """Prints how many texts are equal, by client and form of IR; 1 unless all are."""
    from deepspeech_recipe import convert
    from deepspeech_recipe.runtime import Recognizer

    good = True
    with np.load(work / "clips.npz") as clips:
        for version, release in RELEASES.items():
            wanted = json.loads((work / f"{version}.json").read_text())
            letters = (work / f"{release}.txt").read_text().split("\n")[:-1]
            decode = _as_tensorflow if release == "0.3" else _greedy
            for form, options in FORMS.items():
                result = convert(
                    work / f"{release}.pb", work, name=f"{release} {form}", converter="openvino", verify=False,
                    alphabet=work / f"{release}.txt", **options,
                )  # fmt: skip
                recognizer = Recognizer(result.files[0])
                equal = sum(
                    {"".join(letters[index] for index in decode(frames)) for frames in _frames(recognizer, clips[clip])}
                    == set(texts)
                    for clip, texts in wanted.items()
                )
                print(f"deepspeech {version}, {form}: {equal} of {len(wanted)} clips, whole and in blocks")
                good &= equal == len(wanted)
    return 0 if good else 1


def _frames(recognizer, samples: np.ndarray):
    """Probabilities [frames, classes], of the whole and of blocks."""
    yield recognizer.features(samples)
    session = recognizer.session(16)
    blocks = [samples[at : at + BLOCK - 223].astype(np.float32) / 32768 for at in range(0, len(samples), BLOCK - 223)]
    yield np.concatenate([*(part for block in blocks for part in session.feed(block)), *session.finish()])


def _greedy(frames: np.ndarray) -> list:
    """What the decoder of v0.4 finds with a beam of one."""
    best = frames.argmax(1)
    return [now for before, now in zip([-1, *best[:-1]], best, strict=True) if now not in (before, frames.shape[1] - 1)]


def _as_tensorflow(frames: np.ndarray) -> list:
    """Before, the client used TensorFlow's decoder, which sums prefixes even then."""
    import tensorflow as tf

    scores = np.log(np.maximum(frames, 1e-30))[:, None].astype(np.float32)
    (found,), _ = tf.nn.ctc_beam_search_decoder(scores, [len(scores)], beam_width=1, top_paths=1)
    return found.values.numpy().tolist()


if __name__ == "__main__":
    step, folder, *rest = sys.argv[1:]
    sys.exit({"prepare": prepare, "listen": listen, "compare": compare}[step](Path(folder), *rest))
