"""The readers of the project, each with its damaged files and what is done with them."""

import contextlib
import importlib
import importlib.util
import sys
import zlib
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

from ci.fuzzing import corpus
from ci.fuzzing.byte_mutations import mutate_bytes, mutate_text
from ci.fuzzing.file_mutations import mutate_riff
from ci.fuzzing.ir_mutations import mutate_ir
from ci.fuzzing.models import MODELS, damaged_graph, in_place
from ci.fuzzing.reader import Input, Reader

# Alphabets, scorers, sounds, lists


def _alphabet(random: Random) -> Input:
    texts, serialized = corpus.alphabets()
    if random.random() < 0.5:
        return Input.of("alphabet.txt", mutate_text(random.choice(texts), random, texts))
    return Input.of("alphabet.bin", mutate_bytes(random.choice(serialized), random, serialized))


def _read_alphabet(path: Path, out: Path) -> None:
    from deepspeech_recipe.alphabet import label_texts, parse_alphabet, read_alphabet, serialize_alphabet

    labels = read_alphabet(path) if path.suffix == ".txt" else parse_alphabet(path.read_bytes(), what=str(path))
    label_texts(labels)
    serialize_alphabet(labels)


def _scorer(random: Random) -> Input:
    name, data = random.choice((corpus.scorers()[0], *corpus.scorers()))
    return Input.of(name, (mutate_text if name.endswith("arpa") else mutate_bytes)(data, random))


def _read_scorer(path: Path, out: Path) -> None:
    """One utterance through the decoder with the scorer, which is tried in a child process first; without
    flashlight-text what is read of the file before."""
    from deepspeech_recipe.runtime.decoders import Scorer
    from deepspeech_recipe.runtime.decoders.scorer_file import read_scorer

    if importlib.util.find_spec("flashlight") is None:
        read_scorer(path, corpus.labels().index(b" "))
        return
    words = ["one", "two", "three"] if path.suffix == ".binary" else None
    utterance = Scorer(path, words=words, beam_width=8).for_model(corpus.labels(), 8).start()
    utterance.feed(_probabilities())
    utterance.finish(1)


def _load_scorer() -> None:
    for name in ("flashlight.lib.text.decoder.kenlm", "deepspeech_recipe.runtime.decoders.lm"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    corpus.scorers()


@cache
def _probabilities() -> np.ndarray:
    """Frames of no text in particular: the search tries many words."""
    values = np.random.default_rng(3).random((24, len(corpus.labels()) + 1)).astype(np.float32) ** 4
    return values / values.sum(1, keepdims=True)


def _sound(random: Random) -> Input:
    if random.random() < 0.3:
        return _wav(random)
    return Input.of("a.audio", mutate_bytes(random.choice(corpus.sounds()), random, corpus.sounds()))


def _wav(random: Random) -> Input:
    data = random.choice(corpus.wavs())
    return Input.of("a.wav", mutate_riff(data, random) if random.random() < 0.6 else mutate_bytes(data, random))


def _read_sound(path: Path, out: Path) -> None:
    from deepspeech_recipe.errors import RecipeError
    from deepspeech_recipe.runtime.recordings.audio_files import audio_blocks, seconds_of
    from deepspeech_recipe.verification.recordings import read_recording

    seconds_of(path)
    with contextlib.suppress(RecipeError):
        read_recording(path, 16000)
    for _ in audio_blocks(path, 16000):
        pass


def _load_sound() -> None:
    for name in (
        "soundfile",
        "soxr",
        "deepspeech_recipe.runtime.recordings.audio_files",
        "deepspeech_recipe.verification.recordings",
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    corpus.sounds()


def _read_sound_alone(path: Path, out: Path) -> None:
    """As where soundfile and soxr are not installed."""
    sys.modules["soundfile"] = sys.modules["soxr"] = None
    _read_sound(path, out)


def _manifest(random: Random) -> Input:
    files = {"a.wav": b"RIFF", "b.wav": b"RIFF"}
    if random.random() < 0.5:
        return Input({**files, "clips.csv": mutate_text(corpus.manifest(), random)}, "clips.csv")
    text = b"1-2-0001 ONE TWO\n1-2-0002 THREE\n"
    speech = {"l/1/2/1-2-0001.flac": b"fLaC", "l/1/2/1-2-0002.flac": b"fLaC"}
    return Input({**speech, "l/1/2/1-2.trans.txt": mutate_text(text, random)}, "l")


def _read_manifest(path: Path, out: Path) -> None:
    from deepspeech_recipe.runtime.recordings.clips import read_clips

    read_clips(path)


# IRs and conversions

_SAMPLES = (0.1 * np.random.default_rng(2).standard_normal(6000)).astype(np.float32)


def _ir(random: Random) -> Input:
    return Input(mutate_ir(random.choice(corpus.irs()), random), "m.xml")


def _read_ir(path: Path, out: Path) -> None:
    """As `features` and `transcribe` do; a few through the network, for compiling takes a tenth of a second."""
    from deepspeech_recipe.runtime import Recognizer
    from deepspeech_recipe.runtime.frame_features.deepspeech_v01 import extractor

    network = extractor(path)
    if zlib.crc32(path.read_bytes()) % 8 == 0:
        (network.transcribe if isinstance(network, Recognizer) else network.features)(_SAMPLES)


def _convert(random: Random) -> Input:
    return Input.of("model.pb", damaged_graph(random).SerializeToString())


def _read_convert(path: Path, out: Path) -> None:
    from deepspeech_recipe.conversion.convert import convert

    convert(path, out / "ir", converter="openvino", verify=False)


def _load_openvino() -> None:
    for name in (
        "runtime",
        "runtime.frame_features.deepspeech_v01",
        "conversion.convert",
        "converters.openvino",
        "ir.save",
    ):
        importlib.import_module(f"deepspeech_recipe.{name}")
    corpus.graphs()


def _load_irs() -> None:
    corpus.irs()
    _load_openvino()


READERS = {
    reader.name: reader
    for reader in (
        *MODELS,
        Reader("alphabet", _alphabet, _read_alphabet, corpus.alphabets),
        Reader("scorer", _scorer, _read_scorer, _load_scorer),
        Reader("audio", _sound, _read_sound, _load_sound),
        Reader("audio without soundfile", _wav, _read_sound_alone, _load_sound),
        Reader("manifest", _manifest, _read_manifest),
        Reader("IR", _ir, _read_ir, _load_irs),
        Reader("convert", _convert, _read_convert, _load_openvino),
        Reader("convert in place", _convert, in_place(_read_convert), _load_openvino),
    )
}
