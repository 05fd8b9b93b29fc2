"""Tables of checkpoints, whole and damaged: what a few bytes may not stand for."""

import time
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import BundleEntryProto
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.sources.checkpoint.bundle import Bundle
from deepspeech_recipe.sources.checkpoint.crc32c import crc32c, masked_crc32c

FIXTURES = Path(__file__).parent / "fixtures"

HEADER = (0, b"", b"\x08\x01")  # one data file
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
    proto.crc32c = masked_crc32c(value.tobytes())
    for size in value.shape:
        proto.shape.dim.add(size=size)
    for name, change in changes.items():
        setattr(proto, name, change)
    return proto.SerializeToString()


def entries(**changes):
    offset, shared, found = 0, 0, [HEADER]
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
    "a number of eleven bytes": (table(b"\x80" * 10 + b"\0" + block(entries())), "a number has no end"),
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
    "a data file that there is not": (table(block(entries(shard_id=7))), "'a' lies in a data file 7 of 1"),
    "big-endian numbers": (table(block([(0, b"", b"\x08\x01\x10\x01")])), "by a big-endian machine"),
    "data files by the thousand": (table(block([(0, b"", b"\x08" + varint(2000))])), "there are 2000 data files"),
    "no data files": (table(block([(0, b"", b"")])), "says that there are 0 data files"),
    "a size below zero": (table(block(entries(size=-8))), r"'a' of shape \[3\] has -8 bytes"),
}


def test_an_index_of_which_only_the_end_is_left_is_a_checkpoint_still(tmp_path):
    (tmp_path / "x.index").write_bytes(table(block(entries()))[-8:])
    with pytest.raises(RecipeError, match=r"x\.index: is not a table of a checkpoint, or damaged"):
        open_model(tmp_path / "x.index")


def test_the_index_says_which_data_files_belong_to_it(tmp_path):
    """What is left of another save in the same place does not count; what is missing is named."""
    prefix = write(tmp_path, table(block(entries())))
    (tmp_path / "x.data-00000-of-00002").write_bytes(b"another save")
    assert np.array_equal(Bundle(prefix)["a"], VALUES["a"])
    (tmp_path / "x.data-00000-of-00001").unlink()
    with pytest.raises(RecipeError, match=r"is not whole: 0 of its .* are there, and 'x\.data-00000-of-00001' is"):
        Bundle(prefix)


def test_a_changed_byte_of_the_data_is_found(tmp_path):
    prefix = write(tmp_path, table(block(entries())))
    data = tmp_path / "x.data-00000-of-00001"
    data.write_bytes(b"\x01" + data.read_bytes()[1:])
    with pytest.raises(RecipeError, match="'a' is damaged: its checksum is another"):
        Bundle(prefix)["a"]
    assert np.array_equal(Bundle(prefix)["ab/step"], VALUES["ab/step"])


def test_checksums_are_those_of_the_standard():
    """The examples of RFC 3720, appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("size", [0, 4095, 4096, 4097, 3 * 4096, 5 * 4096 + 1])
def test_checksums_of_any_length_are_the_same(size):
    data = np.random.default_rng(size).bytes(size)
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    assert crc32c(data) == state ^ 0xFFFFFFFF


def test_a_large_checkpoint_is_not_summed_byte_by_byte():
    """Of hundreds of megabytes, that would be minutes. Less than a lane is summed so."""

    def seconds_of_a_byte(size: int, calls: int) -> float:
        data, seconds = bytes(size), []
        for _ in range(3):
            begin = time.process_time()
            for _ in range(calls):
                crc32c(data)
            seconds.append(time.process_time() - begin)
        return min(seconds) / calls / size

    assert seconds_of_a_byte(2**21, 1) < seconds_of_a_byte(250, 400) / 3


@pytest.mark.requires_tf
@pytest.mark.parametrize("checkpoint", sorted(FIXTURES.rglob("*.index")), ids=lambda path: path.parent.parent.name)
def test_tensors_are_those_that_tensorflow_reads(tf, checkpoint):
    bundle, reader = Bundle(checkpoint.with_suffix("")), tf.train.load_checkpoint(str(checkpoint.with_suffix("")))
    shapes = reader.get_variable_to_shape_map()
    assert {name: list(shape) for name, shape in bundle.shapes.items()} == shapes
    for name in shapes:
        assert np.array_equal(bundle[name], reader.get_tensor(name)), name
        assert bundle[name].dtype == reader.get_tensor(name).dtype


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_tables_are_refused_with_the_reason(tmp_path, damage):
    index, reason = DAMAGE[damage]
    with pytest.raises(RecipeError, match=reason) as caught:
        Bundle(write(tmp_path, index))
    assert str(tmp_path / "x.index") in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "size"), [((2**31, 2**31), 12), ((-(2**31), -(2**31)), 12), ((2**20,), 0), ((2,), 12)]
)
def test_shapes_that_do_not_fit_their_bytes_are_refused(tmp_path, shape, size):
    """TensorFlow allocates them before it reads."""
    proto = BundleEntryProto(dtype=1, size=size)
    for each in shape:
        proto.shape.dim.add(size=each)
    with pytest.raises(RecipeError, match=rf"'a' of shape .* has {size} bytes; the checkpoint is damaged"):
        Bundle(write(tmp_path, table(block([HEADER, (0, b"a", proto.SerializeToString())]))))


@pytest.mark.parametrize("named", ["../best", "/{}/best", "sub/../../best", "x/../../best"])
def test_a_state_file_does_not_lead_outside(tmp_path, named):
    write(tmp_path, table(block(entries())))
    for path in tmp_path.glob("x.*"):
        path.rename(path.with_name(path.name.replace("x.", "best.")))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "checkpoint").write_text(f'model_checkpoint_path: "{named.format(tmp_path)}"\n')
    with pytest.raises(RecipeError, match=r"the checkpoint 'best' has no best\.index beside"):
        open_model(tmp_path / "m")
