"""Damaged model files of every kind, and what is done with them."""

import contextlib
import importlib
import json
from functools import cache
from pathlib import Path
from random import Random

from google.protobuf import text_format

from ci.fuzzing import corpus
from ci.fuzzing.byte_mutations import mutate_bytes, mutate_text
from ci.fuzzing.file_mutations import mutate_archive, mutate_flatbuffer
from ci.fuzzing.graph_mutations import mutate_graph
from ci.fuzzing.json_mutations import mutate_json
from ci.fuzzing.message_mutations import mutate_message
from ci.fuzzing.reader import Input, Reader
from ci.fuzzing.table_mutations import mutate_table
from deepspeech_recipe.graphdef.proto import GraphDef, SavedModel


def read_model(path: Path, out: Path) -> None:
    """As `inspect` does, with and without --json."""
    from deepspeech_recipe.cli import inspect as command
    from deepspeech_recipe.conversion.inspect import inspect

    found = inspect(path)
    json.dumps(found)
    list(command._lines(found))


def in_place(read):
    """`read` with constants of 4 kB left in the mapped file; else only those of 256 kB are, which no input has."""

    def read_in_place(path: Path, out: Path) -> None:
        for name in ("frozen", "mapped", "pbmm"):
            importlib.import_module(f"deepspeech_recipe.sources.{name}").LARGEST_INSIDE = 4096
        read(path, out)

    return read_in_place


def damaged_graph(random: Random):
    graph = GraphDef()
    graph.CopyFrom(random.choice(corpus.graphs()))
    mutate_graph(graph, random)
    return graph


def _pb(random: Random) -> Input:
    if random.random() < 0.2:
        return Input.of("model.pb", mutate_bytes(random.choice(corpus.pbs()), random, corpus.pbs()))
    return Input.of("model.pb", damaged_graph(random).SerializeToString())


@cache
def _texts() -> tuple[bytes, ...]:
    return tuple(text_format.MessageToString(graph).encode() for graph in corpus.graphs() if graph.ByteSize() < 20_000)


def _text(random: Random) -> Input:
    return Input.of("model.pbtxt", mutate_text(random.choice(_texts()), random, _texts()))


def _pbmm(random: Random) -> Input:
    data = random.choice(corpus.pbmms())
    if random.random() < 0.5:
        return Input.of("model.pbmm", mutate_bytes(data, random, corpus.pbmms()))
    return Input.of("model.pbmm", _changed_package(data, random))


def _changed_package(data: bytes, random: Random) -> bytes:
    """The directory's entries or the graph inside changed, the rest in place."""
    from deepspeech_recipe.graphdef.proto import MemmappedFileSystemDirectory

    start = int.from_bytes(data[-8:], "little")
    directory = MemmappedFileSystemDirectory.FromString(data[start:-8])
    head = data[:start]
    if random.random() < 0.5:
        for _ in range(random.choice((1, 2))):
            mutate_message(directory, random)
    elif directory.element:
        graph_at = directory.element[-1].offset
        graph = GraphDef.FromString(data[graph_at:start])
        mutate_graph(graph, random)
        head = data[:graph_at] + graph.SerializeToString()
        directory.element[-1].length = len(head) - graph_at
    return head + directory.SerializeToString() + len(head).to_bytes(8, "little")


def _read_pbmm(path: Path, out: Path) -> None:
    from deepspeech_recipe.errors import RecipeError
    from deepspeech_recipe.sources.unpack import unpack

    with contextlib.suppress(RecipeError):
        unpack(path, out / "model.pb")
    read_model(path, out)


def _checkpoint(random: Random) -> Input:
    files = {f"run/{name}": data for name, data in random.choice(corpus.checkpoints()).items()}
    (index,) = (name for name in files if name.endswith(".index"))
    prefix = index.removesuffix(".index")
    if random.random() < 0.4:
        files[f"{prefix}.meta"] = random.choice(corpus.meta_graphs()).SerializeToString()
    name = random.choice([index, index, *files])
    if random.random() < 0.08:
        del files[name]
    elif name == index and random.random() < 0.6:
        files[name] = mutate_table(files[name], random)
    elif name.endswith(".meta"):
        meta = type(corpus.meta_graphs()[0]).FromString(files[name])
        mutate_message(meta, random)
        mutate_graph(meta.graph_def, random)
        files[name] = meta.SerializeToString()
    elif name.endswith(("flags.txt", "checkpoint", "alphabet.txt")):
        files[name] = _flags(files[name], random) if name.endswith("flags.txt") else mutate_text(files[name], random)
    else:
        files[name] = mutate_bytes(files[name], random)
    target = random.choice(("run", "run", prefix, *(name for name in files if not name.endswith(".txt"))))
    return Input(files, target if target in files or target in ("run", prefix) else "run")


def _flags(data: bytes, random: Random) -> bytes:
    """Options of a training: a JSON document, or lines."""
    try:
        return json.dumps(mutate_json(json.loads(data), random)).encode()
    except ValueError:
        return mutate_text(data, random)


def _saved_model(random: Random) -> Input:
    original, others = random.choice(corpus.saved_models())
    others = {f"model/{name}": data for name, data in others.items()}
    index = next((name for name in others if name.endswith(".index")), None)
    if random.random() < 0.15:
        data = mutate_bytes(original.SerializeToString(), random)
    else:
        saved = SavedModel()
        saved.CopyFrom(original)
        if index and random.random() < 0.2:
            others[index] = random.choice((mutate_table, mutate_bytes))(others[index], random)
        elif random.random() < 0.25:
            mutate_message(saved, random)
        else:
            mutate_graph(saved.meta_graphs[0].graph_def, random)
        data = saved.SerializeToString()
    return Input({"model/saved_model.pb": data, **others}, "model")


def _tflite(random: Random) -> Input:
    mutate = mutate_flatbuffer if random.random() < 0.6 else mutate_bytes
    return Input.of("model.tflite", mutate(random.choice(corpus.tflites()), random))


def _archive(random: Random) -> Input:
    text = random.choice(corpus.alphabets()[0])
    kind = random.randrange(4)
    if kind == 0:
        saved, others = random.choice(corpus.saved_models()[:3])
        members = {
            "m/saved_model.pb": saved.SerializeToString(),
            **{f"m/{name}": each for name, each in others.items()},
        }
    elif kind == 1:
        members = dict(random.choice(corpus.checkpoints()))
    else:
        members = {"m/output_graph.pb": random.choice(corpus.pbs()), "m/alphabet.txt": text, "m/x.scorer": b"x" * 99}
        if random.random() < 0.2:
            members["m/alphabet.txt"] = mutate_text(text, random)
    data, suffix = mutate_archive(members, random)
    return Input.of(f"model.{suffix}", data)


def _load_models() -> None:
    for name in (
        "sources",
        "conversion.inspect",
        "cli.inspect",
        "sources.unpack",
        "recipes.recognition",
        "conversion.settings",
        "ir.ov_api",  # of the trial of a .tflite
    ):
        importlib.import_module(f"deepspeech_recipe.{name}")
    corpus.graphs()


MODELS = (
    Reader("pb", _pb, read_model, _load_models),
    Reader("pb in place", _pb, in_place(read_model), _load_models),
    Reader("text graph", _text, read_model, _load_models),
    Reader("pbmm", _pbmm, _read_pbmm, _load_models),
    Reader("pbmm in place", _pbmm, in_place(_read_pbmm), _load_models),
    Reader("checkpoint", _checkpoint, read_model, _load_models),
    Reader("SavedModel", _saved_model, read_model, _load_models),
    Reader("tflite", _tflite, read_model, _load_models),
    Reader("archive", _archive, read_model, _load_models),
)
