"""Tables of checkpoints, whole and damaged: what a few bytes may not stand for."""

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import BundleEntryProto
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.sources.bundle import Bundle

VALUES = {"a": np.float32([1, 2, 3]), "ab/kernel": np.float32([[4], [5]]), "ab/step": np.int64(7)}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def block(entries, restarts: int = 1) -> bytes:
    """entries: (shared, rest of the key, value)."""
    parts = [varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value for shared, rest, value in entries]
    return b"".join(parts) + bytes(4 * restarts) + restarts.to_bytes(4, "little")


def table(*blocks: bytes, handles=None) -> bytes:
    """handles: of the blocks in the index, in place of their own."""
    data, own = b"", []
    for each in blocks:
        own.append(varint(len(data)) + varint(len(each)))
        data += each + bytes(5)
    index = block([(0, b"z", handle) for handle in (own if handles is None else handles)])
    footer = varint(0) + varint(0) + varint(len(data)) + varint(len(index))
    return data + index + bytes(5) + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def entry(at: int, value: np.ndarray, **changes) -> bytes:
    proto = BundleEntryProto(dtype=1 if value.dtype == np.float32 else 9, offset=at, size=value.nbytes)
    for size in value.shape:
        proto.shape.dim.add(size=size)
    for name, change in changes.items():
        setattr(proto, name, change)
    return proto.SerializeToString()


def entries(**changes):
    offset, shared, found = 0, 0, [(0, b"", b"\x08\x01")]
    for name, value in VALUES.items():
        found.append((shared, name[shared:].encode(), entry(offset, value, **changes)))
        offset, shared = offset + value.nbytes, 1
    return found


def write(folder, index: bytes):
    (folder / "x.index").write_bytes(index)
    (folder / "x.data-00000-of-00001").write_bytes(b"".join(value.tobytes() for value in VALUES.values()))
    return folder / "x"


def test_a_table_is_read(tmp_path):
    bundle = Bundle(write(tmp_path, table(block(entries()))))
    for name, value in VALUES.items():
        assert name in bundle
        assert np.array_equal(bundle[name], value)
    assert bundle.stored == 28


BOMB = [(0, b"k" * 20_000, b"")] + [(20_000, b"k", b"")] * 3000
DAMAGE = {
    "a number without end": (table(b"\xff" * 10**6 + block(entries())), "a number has no end"),
    "keys longer than the file": (table(block(BOMB)), "its keys are longer than the file"),
    "a prefix that is not there": (table(block([(5, b"a", b"")])), "an entry leads outside of its block"),
    "a key that ends later": (table(varint(0) + varint(99) + varint(0) + block([])), "an entry leads outside"),
    "the same block": (
        table(block(entries()), handles=[varint(0) + varint(len(block(entries())))] * 2),
        "blocks overlap",
    ),
    "restarts that are too many": (table(block(entries(), 10**6)[:40] + b"\xff" * 4), "a block is too short"),
    "tensors that share bytes": (table(block(entries(offset=0))), "overlaps another tensor"),
    "a tensor behind the end": (table(block(entries(offset=10**12))), "the data file ends before"),
    "a place before the start": (table(block(entries(offset=-8))), "overlaps another tensor"),
    "a size below zero": (table(block(entries(size=-8))), r"'a' of shape \[3\] has -8 bytes"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_tables(tmp_path, damage):
    index, reason = DAMAGE[damage]
    with pytest.raises(RecipeError, match=reason) as caught:
        Bundle(write(tmp_path, index))
    assert str(tmp_path / "x.index") in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "size"), [((2**31, 2**31), 12), ((-(2**31), -(2**31)), 12), ((2**20,), 0), ((2,), 12)]
)
def test_shapes_of_another_size(tmp_path, shape, size):
    """TensorFlow allocates them before it reads."""
    proto = BundleEntryProto(dtype=1, size=size)
    for each in shape:
        proto.shape.dim.add(size=each)
    with pytest.raises(RecipeError, match=rf"'a' of shape .* has {size} bytes; the checkpoint is damaged"):
        Bundle(write(tmp_path, table(block([(0, b"a", proto.SerializeToString())]))))


@pytest.mark.parametrize("named", ["../best", "/{}/best", "sub/../../best", "x/../../best"])
def test_a_state_file_does_not_lead_outside(tmp_path, named):
    write(tmp_path, table(block(entries())))
    for path in tmp_path.glob("x.*"):
        path.rename(path.with_name(path.name.replace("x.", "best.")))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "checkpoint").write_text(f'model_checkpoint_path: "{named.format(tmp_path)}"\n')
    with pytest.raises(RecipeError, match=r"the checkpoint 'best' has no best\.index beside"):
        open_model(tmp_path / "m")
