"""The yardstick of the longer runs: a released, trained model, and recordings that espeak-ng makes for it.

`python ci/released_model.py DIR PYTHON` puts both there; exit code 3, with a line, if one cannot be had.

PyPI's `armspeech` 0.1.4 (MIT) holds a model of Coqui STT: Armenian, H = 2048, 47 MB, 8 bits. Nothing of it is
committed.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.speech import RATE, resample, write_wav

PACKAGE = "armspeech==0.1.4"
MEMBER = "src/model/model.tflite"
SEED, COUNT = 15, 60
VOICES = tuple(f"{accent}+{variant}" for accent in ("hy", "hyw") for variant in ("m1", "m3", "m5", "f1", "f2", "f4"))
_WORDS = (
    "բարև այսօր վաղը երեկ տուն ջուր հաց գիրք դպրոց քաղաք գյուղ լեռ գետ արև լուսին աստղ ծառ ծաղիկ շուն կատու ձի թռչուն "
    "ընկեր քույր եղբայր մայր հայր երեխա մարդ կին աշխատանք ճանապարհ մեքենա գնացք սեղան աթոռ դուռ պատուհան սիրուն մեծ "
    "փոքր նոր հին տաք ցուրտ կարմիր կապույտ սպիտակ սև գնալ գալ խոսել լսել կարդալ գրել սիրել ապրել մեկ երկու երեք չորս "
    "հինգ վեց յոթ ութ ինը տասը ես դու նա մենք դուք նրանք որտեղ ինչու երբ ինչպես շնորհակալություն"
)


@dataclass(frozen=True)
class Clip:
    """A recording to be made. speed: words a minute. pitch: 0 to 99. noise: its level below the speech, in dB."""

    name: str
    text: str
    voice: str
    speed: int
    pitch: int
    noise: float
    seed: int


def clips() -> list[Clip]:
    """The same ones every time: two to nine words each, all voices in turn."""
    draw = np.random.default_rng(SEED)
    return [
        Clip(
            f"clip-{number:02}",
            " ".join(draw.choice(_WORDS.split(), draw.integers(2, 10))),
            VOICES[number % len(VOICES)],
            int(draw.integers(110, 200)),
            int(draw.integers(25, 75)),
            float(draw.uniform(15, 50)),
            int(draw.integers(2**31)),
        )
        for number in range(COUNT)
    ]


def write_clips(folder: Path) -> dict[str, Path]:
    """Name → path of every recording, and of half a second of silence, of noise, and of no audio at all."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {clip.name: _spoken(clip) for clip in clips()}
    noise = np.random.default_rng(SEED).standard_normal(5 * RATE)
    made |= {"silence": np.zeros(5 * RATE), "noise": 0.1 * noise, "quiet noise": noise / 32768, "nothing": np.zeros(0)}
    found = {}
    for name, samples in made.items():
        found[name] = folder / f"{name}.wav"
        write_wav(found[name], np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16))
    return found


def model_and_clips(folder: Path, python: str) -> tuple[Path, dict[str, Path]]:
    """The model file, and name → path of every recording. python: of an environment, 3.10 at the most, as the package
    asks for. Raises SystemExit, with a line and the code 3, if one cannot be had."""
    if not shutil.which("espeak-ng"):
        _leave_out("espeak-ng is not installed")
    return fetch(folder, python), write_clips(folder / "clips")


def fetch(folder: Path, python: str) -> Path:
    """The model file alone. Raises as model_and_clips does."""
    found = folder / Path(MEMBER).name
    if found.exists():
        return found
    folder.mkdir(parents=True, exist_ok=True)
    command = [python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), PACKAGE]
    if subprocess.run(command).returncode:
        _leave_out(f"{PACKAGE} cannot be had from PyPI")
    (archive,) = folder.glob("armspeech-*.tar.gz")
    with tarfile.open(archive) as files:
        (member,) = (each for each in files.getmembers() if each.name.endswith(MEMBER))
        found.write_bytes(files.extractfile(member).read())
    return found


def _leave_out(reason: str):
    print(f"{reason}: what needs the released model is left out.", file=sys.stderr)
    raise SystemExit(3)


def _spoken(clip: Clip) -> np.ndarray:
    """From −1 to 1 at 16 kHz."""
    command = ["espeak-ng", "-v", clip.voice, "-s", str(clip.speed), "-p", str(clip.pitch), "--stdout", clip.text]
    with wave.open(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout)) as file:
        data, rate = file.readframes(2**30), file.getframerate()
    sound = resample(np.frombuffer(data[: len(data) // 2 * 2], np.int16) / 32768.0, rate, RATE)
    sound = np.pad(0.5 * sound / np.abs(sound).max(), RATE // 4)
    noise = np.random.default_rng(clip.seed).standard_normal(len(sound))
    return sound + noise * sound.std() * 10 ** (-clip.noise / 20)


if __name__ == "__main__":
    file, recordings = model_and_clips(Path(sys.argv[1]), sys.argv[2])
    print(file, len(recordings))
