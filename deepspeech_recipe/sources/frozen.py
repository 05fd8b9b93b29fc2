"""Frozen graphs: GraphDefs as TensorFlow writes them, binary or text."""

from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.check import check_graph
from deepspeech_recipe.graphdef.external import External
from deepspeech_recipe.graphdef.proto import GraphDef, Message, MetaGraphDef, SavedModel, parse, parse_text
from deepspeech_recipe.sources.loaded_model import Given, LoadedModel
from deepspeech_recipe.sources.mapped import LARGEST_INSIDE, map_file, parse_mapped

# protobuf's own bound on one message.
_LARGEST = 2**31 - 1


def read_pb(path: Path, given: Given) -> LoadedModel:
    """A frozen graph as it is."""
    if (mapped := _mapped(path)) is None:
        return LoadedModel(path, "pb", read_binary(path))
    graph, external = mapped
    check_graph(graph, path)
    return LoadedModel(path, "pb", graph, external=tuple(external))


def read_pb_text(path: Path, given: Given) -> LoadedModel:
    """A frozen graph in text format."""
    return LoadedModel(path, "pb text", read_text(path))


def _mapped(path: Path) -> tuple[Message, list[External]] | None:
    """The graph and what of it stays in the file; None if that is not worth it."""
    with reading(path):
        size = path.stat().st_size
    return parse_mapped(map_file(path)) if LARGEST_INSIDE < size <= _LARGEST else None


def read_binary(path: Path):
    """Reads a binary GraphDef.

    Raises RecipeError if the file is too large for one, cut off, another kind of file, or no sensible graph.
    """
    with reading(path):
        if path.stat().st_size > _LARGEST:
            raise RecipeError(f"{path}: is larger than 2 GiB, which no frozen graph can be.")
        data = path.read_bytes()
    try:
        graph = parse(GraphDef, data, what=str(path))
    except RecipeError:
        _refuse_relatives(path, data)
        if b"memmapped_package://" in data:
            raise RecipeError(
                f"{path}: is a memory-mapped package (.pbmm) without the directory at its end; it is cut off or "
                f"damaged. Copy it again."
            ) from None
        raise RecipeError(
            f"{path}: is not a frozen graph that can be read: the file is cut off, damaged, or of another kind. "
            f"Compare its size ({len(data)} bytes) with the original's and copy it again."
        ) from None
    if not graph.node or any(not node.op for node in graph.node):
        _refuse_relatives(path, data)
    check_graph(graph, path)
    return graph


def read_text(path: Path):
    """Reads a GraphDef in text format (.pbtxt), with the errors of `read_binary`."""
    with reading(path):
        data = path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise RecipeError(f"{path}: begins like a text graph, but is not UTF-8 text; it is damaged.") from None
    graph = parse_text(GraphDef, text, what=f"{path}: is a text file, but not a text graph")
    check_graph(graph, path)
    return graph


def _refuse_relatives(path: Path, data: bytes) -> None:
    """Other messages with graphs in them, which a user may take for a frozen graph."""
    for message, remedy in (
        (SavedModel, "is the graph file of a SavedModel: give the directory that holds it"),
        (MetaGraphDef, "is the .meta file of a checkpoint: give the checkpoint's directory or prefix"),
    ):
        try:
            other = parse(message, data, what="")
        except RecipeError:
            continue
        graphs = other.meta_graphs if message is SavedModel else [other]
        if any(graph.graph_def.node and graph.graph_def.node[0].op for graph in graphs):
            raise RecipeError(f"{path}: {remedy}.")
