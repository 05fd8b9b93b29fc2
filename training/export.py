"""Trained weights → what is bundled: ``python -m training.export WORK OUT``.

OUT gets output_graph.pb, six held-out recordings and transcripts.csv.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from deepspeech_recipe.alphabet import serialize_alphabet
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.canonical import Dense, Weights, canonical_graph
from training.network import DENSE, N_CONTEXT
from training.plan import Utterance, plan
from training.speech import RATE, speak, write_wav
from training.text import ALPHABET

AUDIO = AudioSettings(
    sample_rate=RATE,
    window_size=512,
    stride=320,
    magnitude_squared=True,
    upper_frequency_limit=RATE / 2,
    dct_coefficient_count=26,
)


def weights_for_raw_mfccs(trained) -> Weights:
    """The trained weights, with (x - mean) / std moved into layer 1: the graph reads raw MFCCs."""
    layers = {n: Dense(trained[f"kernel{n}"], trained[f"bias{n}"]) for n in DENSE}
    frames = 2 * N_CONTEXT + 1
    mean, std = (np.tile(trained[name].astype(np.float64), frames) for name in ("mean", "std"))
    kernel = layers["1"].kernel / std[:, None]
    layers["1"] = Dense(kernel.astype(np.float32), (layers["1"].bias - mean @ kernel).astype(np.float32))
    named = {f"layer_{n}": layer for n, layer in layers.items()}
    return Weights(**named, lstm_kernel=trained["lstm_kernel"], lstm_bias=trained["lstm_bias"])


def recordings() -> dict[str, tuple[Utterance, np.ndarray]]:
    """Six held-out recordings of 2 to 6 seconds by a fixed rule, whatever the model makes of them.

    In the order of the plan: the first of ``voices`` for each new voice, and the first of ``texts`` for each
    new accent and voice, until there are three of both.
    """
    chosen = {}
    for split, kind in (("voices", "unseen-voice"), ("texts", "unseen-text")):
        voices, accents = set(), set()
        for line in plan():
            fresh = line.voice not in voices and (split == "voices" or line.accent not in accents)
            if line.split != split or not fresh or len(voices) == 3:
                continue
            pcm = speak(line)
            if 2 <= pcm.size / RATE <= 6:
                voices.add(line.voice)
                accents.add(line.accent)
                chosen[f"{kind}-{line.voice.lower()}-{line.accent}"] = line, pcm
    return chosen


def main(work: Path, out: Path) -> None:
    """Write the files; prints which lines of the plan the recordings are."""
    with np.load(work / "weights.npz") as trained:
        graph = canonical_graph(
            weights_for_raw_mfccs(trained),
            n_steps=16,
            audio=AUDIO,
            alphabet=serialize_alphabet([letter.encode() for letter in ALPHABET]),
            language="en",
        )
    (out / "recordings").mkdir(parents=True, exist_ok=True)
    (out / "output_graph.pb").write_bytes(graph.SerializeToString(deterministic=True))
    with open(out / "transcripts.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["wav_filename", "wav_filesize", "transcript"])
        for name, (line, pcm) in recordings().items():
            path = out / "recordings" / f"{name}.wav"
            write_wav(path, pcm)
            table.writerow([f"recordings/{name}.wav", path.stat().st_size, line.text])
            print(f"{pcm.size / RATE:.1f} s", line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
