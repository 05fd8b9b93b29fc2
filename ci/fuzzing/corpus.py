"""Good files to begin with: the committed fixtures, and small ones made on the spot."""

import csv
import io
import os
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from deepspeech_recipe.alphabet import BYTES_ALPHABET, serialize_alphabet
from deepspeech_recipe.graphdef.proto import GraphDef, MetaGraphDef, SavedModel
from tests.support.pbmm_writer import write_pbmm
from tests.support.scorer_writer import ARPA, BINARY, spell, words, write_scorer
from training.text import ALPHABET

ROOT = Path(__file__).resolve().parent.parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
# Fixtures larger than that only slow the readers down.
_LARGEST = 110_000


def labels() -> list[bytes]:
    """Of the scorers."""
    return [letter.encode() for letter in ALPHABET]


@cache
def graphs() -> tuple:
    """GraphDefs of every generation, of loops and unrolled networks."""
    paths = [path for path in sorted(FIXTURES.rglob("*.pb")) if path.stat().st_size < _LARGEST]
    return tuple(GraphDef.FromString(path.read_bytes()) for path in paths)


@cache
def pbs() -> tuple[bytes, ...]:
    return tuple(graph.SerializeToString() for graph in graphs())


@cache
def pbmms() -> tuple[bytes, ...]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pbmm"
        for graph in graphs()[::4]:
            write_pbmm(graph, path, smallest=64)
            found.append(path.read_bytes())
    return tuple(found)


@cache
def meta_graphs() -> tuple:
    """What lies beside a checkpoint as .meta: with a feature part and without."""
    chosen = [graph for graph in graphs() if any(node.op == "Mfcc" for node in graph.node)][:2]
    return tuple(MetaGraphDef(graph_def=graph) for graph in (*chosen, graphs()[0]))


@cache
def checkpoints() -> tuple[dict[str, bytes], ...]:
    """File name → content."""
    found = []
    for folder in sorted((FIXTURES / "exporter").glob("*/checkpoint")):
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        if sum(map(len, files.values())) < 2 * _LARGEST:
            found.append(files)
    return tuple(found)


@cache
def saved_models() -> tuple[tuple, ...]:
    """(SavedModel, the other files): Keras models, and frozen graphs as TensorFlow 1 wraps them."""
    found = []
    for path in sorted((FIXTURES / "keras").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        name = next(name for name in files if name.endswith("saved_model.pb"))
        saved = SavedModel.FromString(files.pop(name))
        folder = name.removesuffix("saved_model.pb")
        found.append((saved, {each.removeprefix(folder): data for each, data in files.items()}))
    for graph in graphs()[::6]:
        saved = SavedModel(saved_model_schema_version=1)
        meta = saved.meta_graphs.add(graph_def=graph)
        meta.meta_info_def.tags.append("serve")
        signature = meta.signature_def["serving_default"]
        signature.inputs["input_node"].name = "input_node:0"
        signature.outputs["logits"].name = "logits:0"
        found.append((saved, {}))
    return tuple(found)


@cache
def tflites() -> tuple[bytes, ...]:
    paths = [*sorted((FIXTURES / "exporter").rglob("int8.tflite")), *sorted((FIXTURES / "tflite").glob("*.tflite"))]
    return tuple(path.read_bytes() for path in paths)


@cache
def alphabets() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """alphabet.txt files, serialized alphabets."""
    texts = tuple(path.read_bytes() for path in sorted((FIXTURES / "exporter").rglob("alphabet.txt")))
    return texts, (serialize_alphabet(labels()), serialize_alphabet(BYTES_ALPHABET))


@cache
def scorers() -> tuple[tuple[str, bytes], ...]:
    """(name, content): a scorer, a KenLM binary, an ARPA file."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_scorer(Path(folder) / "words.scorer", [spell(word, ALPHABET) for word in words()])
        scorer = path.read_bytes()
    return ("words.scorer", scorer), ("words.binary", BINARY.read_bytes()), ("words.arpa", ARPA.read_bytes())


def _samples() -> np.ndarray:
    return (3000 * np.random.default_rng(1).standard_normal(4000)).clip(-32768, 32767).astype(np.int16)


@cache
def wavs() -> tuple[bytes, ...]:
    """16-bit WAV files at 16 and 8 kHz, mono and stereo."""
    import wave

    found = []
    for rate, channels in ((16000, 1), (16000, 2), (8000, 1)):
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setparams((channels, 2, rate, 0, "NONE", ""))
            file.writeframes(_samples().tobytes())
        found.append(out.getvalue())
    return tuple(found)


@cache
def sounds() -> tuple[bytes, ...]:
    """Every container that soundfile writes into one stream, and a few codings; WAV alone without it."""
    try:
        import soundfile
    except ImportError:
        return wavs()
    found = list(wavs())
    # RAW has nothing to damage; the header of SD2 is a second file, `._`, in the current directory.
    for form in sorted({*soundfile.available_formats()} - {"RAW", "SD2"}):
        for coding in sorted(soundfile.available_subtypes(form))[:4]:
            out = io.BytesIO()
            try:
                soundfile.write(out, _samples(), 16000, format=form, subtype=coding)
            except (soundfile.SoundFileError, ValueError, TypeError):
                continue
            found.append(out.getvalue())
    return tuple(found)


@cache
def manifest() -> bytes:
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["wav_filename", "wav_filesize", "transcript", "group"])
    rows.writerows(
        [("a.wav", 8044, "one two", "x"), ("b.wav", 16044, 'three, "four"', "y"), ("a.wav", 1, "five é", "")]
    )
    return out.getvalue().encode()


@cache
def irs() -> tuple[dict[str, bytes], ...]:
    """`m.xml` and `m.bin` of every kind of IR: made in a process of their own, for OpenVINO starts threads."""
    folder = tempfile.mkdtemp(prefix="fuzz-irs-")
    pid = os.fork()
    if not pid:
        code = 1
        try:
            _write_irs(Path(folder))
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the IRs to begin with could not be made")
    found = []
    for xml in sorted(Path(folder).glob("*.xml")):
        found.append({"m.xml": xml.read_bytes(), "m.bin": xml.with_suffix(".bin").read_bytes()})
    for path in Path(folder).iterdir():
        path.unlink()
    os.rmdir(folder)
    return tuple(found)


def _write_irs(folder: Path) -> None:
    from deepspeech_recipe.conversion.convert import convert
    from deepspeech_recipe.ir.ov_api import ov
    from tests.support.runtime_models import model

    kinds = ("windows, open", "windows, 16 steps", "windows, lengths", "internal state", "no state")
    kinds += ("attached", "streaming", "attached, lengths", "windows, int8")
    for number, kind in enumerate(kinds):
        ov.save_model(model(kind), folder / f"{number}.xml", compress_to_fp16=False)
    for name in ("old_tensorflow/v0.1", "rnn/layers", "synthetic/v0.9"):
        path = FIXTURES / f"{name}.pb"
        convert(path, folder, name=path.stem, converter="openvino", verify=False)
