"""What a Ray cluster on this machine costs against one process on the same processors.

`PYTHONPATH=. python ci/cluster.py [--recordings N] [--rounds N]`: both recognise the same recordings with the same
batches, in turns, with all processors; the exit code is 1 if the cluster takes more than 15 % longer by the medians.
Starting Ray is not counted, and a first turn of both is thrown away; the start of the workers counts in every turn.
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
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="error")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, arguments.recordings)
        ir = convert(
            MODEL / "output_graph.pb", folder / "ir", time_steps="dynamic", batch="dynamic", verify=False
        ).files[0]
        took: dict[str, list[float]] = {"one process": [], "cluster": []}
        for turn in range(arguments.rounds + 1):
            for contender, cluster in (("one process", None), ("cluster", "auto")):
                begin = time.perf_counter()
                results = transcribe(folder, ir, batch=_BATCH, cluster=cluster)
                if turn:
                    took[contender].append(time.perf_counter() - begin)
    audio = sum(result.seconds for result in results)
    medians = {contender: statistics.median(times) for contender, times in took.items()}
    for contender, times in took.items():
        shown = ", ".join(f"{each:.1f}" for each in sorted(times))
        print(f"{contender}: {medians[contender]:.1f} s ({shown}); {audio / medians[contender]:.0f} times real time")
    ratio = medians["cluster"] / medians["one process"]
    print(
        f"{arguments.recordings} recordings, {os.cpu_count()} processors: the cluster takes {ratio:.2f} times as long"
    )
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
