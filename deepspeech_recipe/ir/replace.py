"""Puts IRs in the place of older ones so that no program ever finds the .xml of one with the .bin of the other.

Two files cannot be renamed in one step. So the step between is a .bin that serves both: the old weights where the old
.xml looks for them, and the new ones behind them, where an .xml with moved offsets looks. Five renames then lead from
the old pair to the new one, and wherever the process is killed, the pair is one of the two. (A power cut may undo
renames in another order.)
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from deepspeech_recipe.ir.metadata import PATH
from deepspeech_recipe.ir.names import FEATURE_PART
from deepspeech_recipe.temporary import exclusive

_PAGE = 4096  # weights are mapped into memory, and stay as aligned as they were


def replace_irs(made: Mapping[str, Path], directory: Path, scratch: Path) -> list[Path]:
    """Moves IRs into `directory`; returns their files, each .xml before its .bin.

    made: name → .xml with its .bin, on the same file system; the first is the model, the others are parts of it. The
    audio part of the model that was there goes with it.
    scratch: an empty directory for what is needed between.
    """
    first, *parts = made
    with exclusive(directory):
        old = f"{first}{FEATURE_PART}"
        left = [old] if old not in parts and _is_ours(directory / f"{old}.xml") else []
        # A part of the new model must not be found beside the old one, nor the other way round.
        for name in (*parts, *left):
            (directory / f"{name}.xml").unlink(missing_ok=True)
        for name in (first, *parts):
            _replace(made[name], directory / f"{name}.xml", scratch)
        for name in left:
            (directory / f"{name}.bin").unlink(missing_ok=True)
    return [directory / f"{name}{suffix}" for name in made for suffix in (".xml", ".bin")]


def _is_ours(xml: Path) -> bool:
    """Whether it is an IR with this project's metadata, and not somebody's of that name."""
    return xml.is_file() and f"<{PATH[0]}>".encode() in xml.read_bytes()


def _replace(made: Path, xml: Path, scratch: Path) -> None:
    weights, new = xml.with_suffix(".bin"), made.with_suffix(".bin")
    if xml.is_file() and weights.is_file():
        if not filecmp.cmp(weights, new, shallow=False):
            _replace_pair(made, xml, scratch)
            return
    else:
        xml.unlink(missing_ok=True)  # without weights, or a link to nowhere: not an IR, and must not become one
    os.replace(new, weights)
    os.replace(made, xml)


def _replace_pair(made: Path, xml: Path, scratch: Path) -> None:
    weights, new = xml.with_suffix(".bin"), made.with_suffix(".bin")
    behind = -(-max(weights.stat().st_size, new.stat().st_size) // _PAGE) * _PAGE
    _join(scratch / "both.bin", weights, new, behind)
    _join(scratch / "twice.bin", new, new, behind)
    _move_offsets(made, scratch / "moved.xml", behind)
    os.replace(scratch / "both.bin", weights)  # the old pair; and the new one, for its moved .xml
    os.replace(scratch / "moved.xml", xml)
    os.replace(scratch / "twice.bin", weights)  # the new pair, wherever its .xml looks
    os.replace(made, xml)
    os.replace(new, weights)


def _join(path: Path, begin: Path, end: Path, at: int) -> None:
    with path.open("wb") as file:
        for source, place in ((begin, 0), (end, at)):
            file.seek(place)
            with source.open("rb") as part:
                shutil.copyfileobj(part, file, 2**20)
        file.truncate(at + end.stat().st_size)


def _move_offsets(xml: Path, moved: Path, by: int) -> None:
    tree = ElementTree.parse(xml)
    for data in _places(tree):
        data.set("offset", str(int(data.attrib["offset"]) + by))
    tree.write(moved)


def is_whole(xml: Path) -> bool:
    """Whether an .xml ends and its .bin has all that it looks for."""
    try:
        ends = [int(data.attrib["offset"]) + int(data.attrib["size"]) for data in _places(ElementTree.parse(xml))]
    except ElementTree.ParseError:
        return False
    return max(ends, default=0) <= xml.with_suffix(".bin").stat().st_size


def _places(tree) -> list[ElementTree.Element]:
    """What says where a constant's values are in the .bin, of constants in the bodies of loops too."""
    found = (layer.find("data") for layer in tree.iter("layer") if layer.get("type") == "Const")
    return [data for data in found if data is not None and data.get("offset") is not None]
