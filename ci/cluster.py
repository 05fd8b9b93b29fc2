"""What a Ray cluster on this machine costs against one process on the same processors.

`PYTHONPATH=. python ci/cluster.py [--recordings N] [--rounds N]`: both recognise the same recordings with the same
batches, in turns, with all processors: N of them, and a quarter. What the others take is what a recording costs, and is
compared: the exit code is 1 if the cluster takes more than 15 % longer by the medians. The start of the workers, the
same for a hundred recordings and a million, is what is left, and is printed.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import ray
import soundfile

from deepspeech_recipe import convert, transcribe
from deepspeech_recipe.runtime.recordings.audio_files import read_audio

MODEL = Path(__file__).parents[1] / "deepspeech_recipe" / "data" / "model"
ALLOWED = 1.15
_BATCH = 8


def write(folder: Path, count: int) -> None:
    sources = [read_audio(path, 16000) for path in sorted((MODEL / "recordings").glob("*.wav"))]
    for number in range(count):
        soundfile.write(folder / f"{number:05}.wav", sources[number % len(sources)], 16000, "PCM_16")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    # Ray gives its workers a lower priority than other programs have: whatever else runs here would slow them alone.
    os.environ |= {"RAY_worker_niceness": "0"}
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="error")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, arguments.recordings)
        ir = convert(
            MODEL / "output_graph.pb", folder / "ir", time_steps="dynamic", batch="dynamic", verify=False
        ).files[0]
        took: dict[str, list[tuple[float, float]]] = {"one process": [], "cluster": []}
        for _ in range(arguments.rounds):
            for contender, cluster in (("one process", None), ("cluster", "auto")):
                few, _ = timed(sorted(folder.glob("*.wav"))[::4], ir, cluster)
                all_of_them, audio = timed(folder, ir, cluster)
                took[contender].append((few, all_of_them))
    for contender, times in took.items():
        steady = statistics.median(every - few for few, every in times)
        start = statistics.median(every - (every - few) / 0.75 for few, every in times)
        shown = ", ".join(f"{few:.1f} and {every:.1f}" for few, every in times)
        speed = 0.75 * audio / steady
        print(f"{contender}: {speed:.0f} times real time after a start of {start:.1f} s (seconds: {shown})")
    one, many = (statistics.median(every - few for few, every in times) for times in took.values())
    print(
        f"{arguments.recordings} recordings, {os.cpu_count()} processors: {many / one:.2f} times as long on the cluster"
    )
    return int(many / one > ALLOWED)


def timed(recordings, ir: Path, cluster: str | None) -> tuple[float, float]:
    """Seconds it takes to recognise recordings, and seconds of audio in them."""
    begin = time.perf_counter()
    results = transcribe(recordings, ir, batch=_BATCH, cluster=cluster)
    return time.perf_counter() - begin, sum(result.seconds for result in results)


if __name__ == "__main__":
    sys.exit(main())
