"""What 8 bits do to text, probabilities and states: ``python -m benchmarks.int8_accuracy CLIPS.csv``.

CLIPS.csv: the test groups of the bundled model, by ``python -m training.make_clips``. Writes docs/int8.md's tables.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.models import frozen_graph
from benchmarks.page import write_between
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.corpus.evaluate import evaluate
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.passes.compress import LAYERS, LSTM_INPUT, LSTM_RECURRENT
from deepspeech_recipe.runtime.recordings.audio_files import read_audio

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "deepspeech_recipe" / "data" / "model"
PAGE = ROOT / "docs" / "int8.md"
HIDDEN, SECONDS, FRAMES = 2048, 30, 16
AT = (1, 4, 16, 64, 93)  # chunks after which states are compared
LSTM = (LSTM_INPUT, LSTM_RECURRENT)
EXACT = {"weights": "int8", "activations": "fp32"}
FORMS = {
    "fp32": {},
    "fp16": {"weights": "fp16"},
    "int8, recurrent matrix only": {**EXACT, "keep_fp16": [name for name in LAYERS if name != LSTM_RECURRENT]},
    "int8, LSTM only": {**EXACT, "keep_fp16": [name for name in LAYERS if name not in LSTM]},
    "int8, dense layers only": {**EXACT, "keep_fp16": LSTM},
    "int8, activations in FP32": EXACT,
    "int8": {"weights": "int8"},
}


def table(titles, rows) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def text_accuracy(clips: Path, folder: Path) -> list[str]:
    """Character error rates of the bundled model, by group."""
    rows = []
    for form, options in FORMS.items():
        result = convert(
            BUNDLED / "output_graph.pb", folder, name="text", converter="openvino", audio="attached", verify=False,
            **options,
        )  # fmt: skip
        found = evaluate(clips, result.files[0])
        groups = {**found.groups, "all": found.total}
        print(form, {name: f"{score.cer:.4%}" for name, score in groups.items()}, flush=True)
        rows.append(
            [form, *(f"{100 * score.cer:.2f} %" for score in groups.values()), f"{100 * found.total.wer:.2f} %"]
        )
    titles = ["weights", *(f"CER {name} ({score.clips} clips)" for name, score in groups.items()), "WER all"]
    return table(titles, rows)


def growth(pb: Path, folder: Path) -> list[str]:
    """Divergence of the probabilities and drift of the states along one utterance."""
    runs = {}
    for form, options in FORMS.items():
        result = convert(
            pb, folder, name="long", converter="openvino", audio="separate", time_steps=FRAMES, verify=False, **options
        )
        runs[form] = run(*result.files[:1], folder / "long.audio.xml")
    rows = []
    (want, states), *_ = runs.values()
    for form, (logits, found) in list(runs.items())[1:]:
        divergence = (want * np.log(np.maximum(want, 1e-12) / np.maximum(logits, 1e-12))).sum(-1).reshape(-1)
        drift = [
            f"{np.sqrt(np.square(found[part][at] - states[part][at]).mean() / np.square(states[part][at]).mean()):.1e}"
            for part in "hc"
            for at in (AT[0], AT[2], AT[-1])
        ]
        best = (logits.argmax(-1) != want.argmax(-1)).mean()
        rows.append(
            [form, f"{divergence.mean():.1e}", f"{np.quantile(divergence, 0.99):.1e}", f"{100 * best:.2f} %", *drift]
        )
    frames = [FRAMES * at for at in (AT[0], AT[2], AT[-1])]
    titles = ["weights", "mean KL", "99th percentile", "other best class"]
    titles += [f"{what} after {count}" for what in ("hidden state", "cell state") for count in frames]
    return table(titles, rows)


def run(xml: Path, audio: Path):
    """(probabilities [chunks, T, 1, classes], {'c', 'h'} → chunk → state) over the bundled recordings, repeated."""
    core = ov.Core()
    samples = np.concatenate([read_audio(path, 16000) for path in sorted((BUNDLED / "recordings").glob("*.wav"))])
    samples = np.resize(samples, SECONDS * 16000)[None]
    windows = core.compile_model(audio, "CPU")([samples])[0]
    request = core.compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    size = next(port.get_shape()[1] for port in request.model_inputs if "previous_state_c" in port.get_names())
    state = {part: np.zeros((1, size), np.float32) for part in "ch"}
    logits, states = [], {"c": {}, "h": {}}
    for chunk in range(windows.shape[1] // FRAMES):
        feed = {f"previous_state_{part}": state[part] for part in "ch"}
        request.infer({"input_node": windows[:, chunk * FRAMES : (chunk + 1) * FRAMES], **feed})
        state = {part: request.get_tensor(f"new_state_{part}").data.copy() for part in "ch"}
        logits.append(request.get_tensor("logits").data.copy())
        if chunk + 1 in AT:
            for part in "ch":
                states[part][chunk + 1] = state[part]
    return np.stack(logits), states


def main(clips: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_between(PAGE, "trained", growth(BUNDLED / "output_graph.pb", folder))
        pb = folder / "large.pb"
        frozen_graph(pb, HIDDEN)
        write_between(PAGE, "large", growth(pb, folder))
        write_between(PAGE, "text", text_accuracy(clips, folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
