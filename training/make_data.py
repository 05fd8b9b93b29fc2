"""Synthesise the whole plan and keep its MFCCs: ``python -m training.make_data WORK``."""

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import sys
import time
from pathlib import Path

import numpy as np

from training.features import mfccs
from training.plan import digest, plan
from training.speech import check_voices, speak


def main(work: Path) -> None:
    """Write WORK/<split>.npz: ``frames`` [sum of T, 26], ``lengths`` [n] and ``texts`` [n]."""
    check_voices()
    work.mkdir(parents=True, exist_ok=True)
    rows = plan()
    print("manifest", digest(rows), flush=True)
    started, seconds = time.time(), 0.0
    for split in dict.fromkeys(row.split for row in rows):
        lines = [row for row in rows if row.split == split]
        frames = []
        for line in lines:
            pcm = speak(line)
            seconds += pcm.size / 16000
            frames.append(mfccs(pcm))
        np.savez(
            work / f"{split}.npz",
            frames=np.concatenate(frames),
            lengths=np.array([len(f) for f in frames]),
            texts=np.array([line.text for line in lines]),
        )
        print(
            f"{split}: {len(lines)} utterances, {seconds / 3600:.2f} h so far, {time.time() - started:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
