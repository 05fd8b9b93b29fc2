"""Writes memory-mapped packages as TensorFlow's convert_graphdef_memmapped_format does."""

import re
import struct

from deepspeech_recipe.graphdef.proto import GraphDef, MemmappedFileSystemDirectory
from deepspeech_recipe.graphdef.tensor import to_numpy

PREFIX = "memmapped_package://"


def write_pbmm(graph, path, *, smallest: int = 10_000, alignment: int = 64, lengths: bool = True) -> int:
    """Writes `graph`; constants of at least `smallest` bytes go to regions. Returns how many.

    alignment 32 and no lengths: as TensorFlow before 1.14 wrote them.
    """
    written, used = GraphDef(), set()
    written.CopyFrom(graph)
    directory = MemmappedFileSystemDirectory()
    with open(path, "wb") as file:

        def region(name: str, size: int) -> None:
            directory.element.add(name=PREFIX + name, offset=file.tell(), length=size if lengths else 0)

        for node in written.node:
            if node.op != "Const" or node.attr["value"].tensor.ByteSize() < smallest:
                continue
            value = to_numpy(node.attr["value"].tensor)
            if value.dtype.kind == "O" or value.nbytes < smallest:
                continue
            name = re.sub(r"[^A-Za-z0-9_.]", "_", node.name)
            while name in used:
                name += "_"
            used.add(name)
            file.write(b"\0" * (-file.tell() % alignment))
            region(name, value.nbytes)
            file.write(value.tobytes())
            dtype = node.attr["dtype"].type
            node.op = "ImmutableConst"
            node.attr.clear()
            node.attr["dtype"].type = dtype
            node.attr["shape"].shape.SetInParent()
            for size in value.shape:
                node.attr["shape"].shape.dim.add(size=size)
            node.attr["memory_region_name"].s = (PREFIX + name).encode()
        data = written.SerializeToString()
        region(".", len(data))
        file.write(data)
        start = file.tell()
        file.write(directory.SerializeToString())
        file.write(struct.pack("<Q", start))
    return len(used)
