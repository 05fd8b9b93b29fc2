"""Recordings that are not files: pipes with and without a header, the shell's descriptors, addresses."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe import limits
from deepspeech_recipe.cli import main
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.recordings.audio_files import at_rate
from deepspeech_recipe.runtime.recordings.incoming import descriptor, is_address, open_recording
from tests.support.bundled import bundled_ir, samples_of, transcripts
from tests.support.command_line import one_error

pytestmark = pytest.mark.anywhere

FIRST, SECOND = list(transcripts())[:2]
ROOT = Path(__file__).parent.parent


def bare(path) -> bytes:
    return np.round(samples_of(path) * 32768).astype("<i2").tobytes()


def read(name: str, raw: int | None = None, rate: int = 16000) -> np.ndarray:
    with open_recording(str(name), raw) as audio:
        return np.concatenate(list(at_rate(audio, str(name), rate)))


@pytest.fixture(scope="module")
def command():
    """`COMMAND` in a line of bash is `deepspeech-recipe transcribe`, and MODEL its model."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    transcribe = f"'{sys.executable}' -m deepspeech_recipe transcribe"

    def run(line: str, **options) -> subprocess.CompletedProcess:
        line = line.replace("COMMAND", transcribe).replace("MODEL", f"--model '{bundled_ir()}'")
        return subprocess.run(
            ["bash", "-c", line], env=environment, capture_output=True, text=True, check=False, **options
        )

    return run


def test_every_way_into_the_command(command, tmp_path):
    """One process hears six recordings: seekable and not, with a header and bare."""
    (tmp_path / "a.raw").write_bytes(bare(FIRST))
    text, second = transcripts()[FIRST], transcripts()[SECOND]
    done = command(f"cat '{FIRST}' | COMMAND - <(cat '{SECOND}') MODEL")
    assert done.returncode == 0
    first, other = done.stdout.splitlines()
    assert first == f"-: {text}"
    assert other.startswith("/dev/fd/")
    assert other.endswith(f": {second}")
    assert command(f"COMMAND /dev/stdin MODEL < '{FIRST}'").stdout == f"{text}\n"
    done = command(f"cat '{tmp_path}/a.raw' | COMMAND - '{tmp_path}/a.raw' --raw 16000 -o '{tmp_path}/out' MODEL")
    assert done.stderr.startswith("2 done, 0 skipped, 0 failed; 4.2 s of audio")
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        "stdin.txt": f"{text}\n", "a.txt": f"{text}\n",
    }  # fmt: skip


def test_nothing_is_piped_in(capsys, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-m", "deepspeech_recipe", "transcribe", "-", "--model", str(bundled_ir())],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "standard input: nothing is piped in. For instance: ffmpeg" in done.stderr
    assert main(["transcribe", "-", "/dev/fd/987", "--model", str(bundled_ir())]) == 1
    assert "/dev/fd/987: cannot be read (Bad file descriptor)" in capsys.readouterr().err
    assert main(["transcribe", "-", "-", "--model", str(bundled_ir())]) == 2
    assert "-: is named twice, and can be read only once" in one_error(capsys.readouterr())


class Pipe:
    """Bytes that come through a descriptor, some at a time."""

    def __init__(self, *parts: bytes):
        self._reader, writer = os.pipe()
        self.name = f"/dev/fd/{self._reader}"

        def write() -> None:
            try:
                for part in parts:
                    os.write(writer, part)
            except OSError:  # nobody reads on
                pass
            finally:
                os.close(writer)

        self._thread = threading.Thread(target=write)

    def __enter__(self) -> str:
        self._thread.start()
        return self.name

    def __exit__(self, *error) -> None:
        os.close(self._reader)
        self._thread.join()


@pytest.mark.parametrize("size", [1, 3, 1000, 10**6])
def test_bare_samples_in_parts_of_any_size(size):
    data = bare(FIRST)[:6000]
    with Pipe(*(data[at : at + size] for at in range(0, len(data), size))) as name:
        np.testing.assert_array_equal(read(name, 16000), np.frombuffer(data, "<i2") / np.float32(32768))


def test_bare_samples_are_read_as_they_come():
    """A block is there before the pipe is at its end."""
    reader, writer = os.pipe()
    os.write(writer, bare(FIRST)[:400])
    with open_recording(f"/dev/fd/{reader}", 16000) as audio:
        assert len(next(audio.blocks)) == 200
        os.close(writer)
        assert list(audio.blocks) == []
    os.close(reader)


def test_bare_samples_of_another_rate():
    pytest.importorskip("soxr")
    with Pipe(bare(FIRST)[:32000]) as name:
        assert len(read(name, 8000)) == 32000


def test_what_is_not_bare_samples(tmp_path):
    with Pipe(b"abc") as name, pytest.raises(RecipeError, match=r"it ends in the middle of one"):
        read(name, 16000)
    with pytest.raises(RecipeError, match="begins with the header of a file, so these are not bare samples"):
        read(FIRST, 16000)
    with Pipe() as name, pytest.raises(RecipeError, match=r"holds no audio"):
        read(name, 16000)
    with pytest.raises(RecipeError, match=r"none\.raw: cannot be read \(No such file"):
        read(tmp_path / "none.raw", 16000)
    with pytest.raises(RecipeError, match=r"cannot be bare samples of 7 Hz \(--raw\): 1000 to 768000 Hz are read"):
        read(FIRST, 7)


def test_a_pipe_has_its_own_name_in_messages_and_a_bound(monkeypatch):
    with Pipe(FIRST.read_bytes()[:-5000]) as name, pytest.raises(RecipeError, match=rf"^{name}: is cut off"):
        read(name)
    with Pipe(FIRST.read_bytes()) as name:
        assert len(read(name)) == len(samples_of(FIRST))
    monkeypatch.setattr(limits, "PIPE", 10_000)
    with Pipe(FIRST.read_bytes()) as name, pytest.raises(RecipeError, match="more than 10000 bytes came"):
        read(name)


def test_names_that_are_descriptors_or_addresses():
    assert {name: descriptor(name) for name in ("-", "/dev/stdin", "/dev/fd/63", "/dev/fd/x", "63")} == {
        "-": 0, "/dev/stdin": 0, "/dev/fd/63": 63, "/dev/fd/x": None, "63": None,
    }  # fmt: skip
    addresses = ["s3://bucket/a.wav", "https://host/a.wav", "memory://a", "simplecache::s3://a/b"]
    assert all(map(is_address, addresses))
    assert not any(map(is_address, ["a.wav", "/a://b", "://b", "C:\\a.wav", "a/b://c"]))


def test_live_text_of_what_comes_by_a_pipe(capsys):
    with Pipe(bare(FIRST)) as name:
        assert main(["transcribe", name, "--raw", "16000", "--stream", "--model", str(bundled_ir())]) == 0
    out, err = capsys.readouterr()
    assert out == f"{transcripts()[FIRST]}\n"
    assert len(err.splitlines()) > 3


@pytest.fixture
def server(tmp_path):
    """The address of a web server for files in tmp_path."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *some):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_addresses_of_a_web_server(capsys, server, tmp_path):
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    (tmp_path / "a b.wav").write_bytes(FIRST.read_bytes())
    (tmp_path / "a.raw").write_bytes(bare(SECOND))
    arguments = ["--model", str(bundled_ir()), "-o", str(tmp_path / "out")]
    assert main(["transcribe", f"{server}/a%20b.wav", f"{server}/none.wav", *arguments]) == 1
    assert f"error: {server}/none.wav: cannot be read (" in capsys.readouterr().err
    assert (tmp_path / "out" / "a%20b.txt").read_text() == f"{transcripts()[FIRST]}\n"
    assert main(["transcribe", f"{server}/a.raw", "--raw", "16000", *arguments]) == 0
    assert (tmp_path / "out" / "a.txt").read_text() == f"{transcripts()[SECOND]}\n"


def test_addresses_in_memory():
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://talks/a.wav", "wb") as file:
        file.write(FIRST.read_bytes())
    found = deepspeech_recipe.transcribe("memory://talks/a.wav", bundled_ir())
    assert [result.text for result in found] == [transcripts()[FIRST]]
    with pytest.raises(RecipeError, match="memory://none: cannot be read"):
        deepspeech_recipe.transcribe("memory://none", bundled_ir())
    with pytest.raises(RecipeError, match="surely://a: cannot be read"):
        deepspeech_recipe.transcribe("surely://a", bundled_ir())


def test_an_address_without_fsspec_names_the_remedy(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    assert main(["transcribe", "s3://bucket/a.wav", "--model", str(bundled_ir())]) == 2
    assert "an address needs fsspec" in one_error(capsys.readouterr())
