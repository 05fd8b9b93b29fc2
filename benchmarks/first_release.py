"""DeepSpeech v0.1, two Loops by the default frontend: ``PYTHONPATH=. python benchmarks/first_release.py [HIDDEN]``.

One process, in turns, 60 seconds of audio; writes its table into docs/speed.md. Needs TensorFlow, to build the graph.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from deepspeech_recipe.benchmark.machine import usable_processors
from deepspeech_recipe.convert import convert
from deepspeech_recipe.files import atomic_path
from deepspeech_recipe.ov_api import ov
from tests.graphs.rnn import first_release

PAGE = Path(__file__).resolve().parent.parent / "docs" / "speed.md"
BEGIN, END = "<!-- v0.1: begin -->\n", "<!-- v0.1: end -->"
HIDDEN, SECONDS, STEP, ROUNDS = 2048, 60, 0.02, 3


def main(hidden: int, page: bool) -> None:
    graph = first_release(decoder=False, n_input=26, widths=(hidden,) * 5, deviation=hidden**-0.5)
    frames = round(SECONDS / STEP)
    with tempfile.TemporaryDirectory() as folder:
        pb = Path(folder) / "graph.pb"
        pb.write_bytes(graph)
        models = {"default frontend, two Loops": ov.convert_model(pb)}
        for weights in ("fp32", "int8"):
            xml = convert(pb, folder, name=weights, converter="openvino", weights=weights, verify=False).files[0]
            models[f"`convert --weights {weights}`"] = ov.Core().read_model(xml)
        windows = np.random.default_rng(3).standard_normal((1, frames, 19 * 26)).astype(np.float32)
        calls = {name: caller(model, windows) for name, model in models.items()}
        times, outputs = {name: [] for name in calls}, {}
        for _ in range(ROUNDS):
            for name, call in calls.items():
                begin = time.perf_counter()
                outputs[name] = call()
                times[name].append(time.perf_counter() - begin)
    base, *_ = times.values()
    want, *_ = outputs.values()
    version = ov.__version__.split("-")[0]
    lines = [f"OpenVINO {version}, H = {hidden}, {ROUNDS} rounds:", ""]
    lines += ["| IR | seconds | against the default frontend | largest difference of logits |", "|---|---|---|---|"]
    for name, taken in times.items():
        ratio = np.median(np.array(base) / np.array(taken))
        difference = np.abs(outputs[name] - want).max() / np.abs(want).max()
        lines.append(f"| {name} | {np.median(taken):.1f} | {ratio:.2f} × | {difference:.1e} |")
    print("\n".join(lines))
    if page:
        text = PAGE.read_text()
        before, rest = text.split(BEGIN)
        with atomic_path(PAGE) as target:
            target.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n\n" + END + rest.split(END)[1])


def caller(model, windows):
    """Returns a function that returns the logits of a whole utterance."""
    options = {"INFERENCE_NUM_THREADS": str(usable_processors()), "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(model, "CPU", options).create_infer_request()
    feed = {}
    for port in request.model_inputs:
        rank = len(port.get_partial_shape())
        feed[port.get_any_name()] = windows if rank == 3 else np.int32([windows.shape[1]])
    return lambda: request.infer(feed)[0].copy()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else HIDDEN, page=not sys.argv[1:])
