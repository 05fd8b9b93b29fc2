"""Native libraries are kept from writing beside our one line, and nobody else is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bundled import MODEL

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library is glibc")


def run(program: str, *arguments) -> tuple[str, str]:
    """stdout and stderr of a process."""
    begin = """
import ctypes, os, sys, threading
from deepspeech_recipe.quiet import native_code_quiet
C = ctypes.CDLL(None)
def say(word):
    for name in ("stdout", "stderr"):
        C.fputs(f"native {word}\\n".encode(), ctypes.c_void_p.in_dll(C, name))
"""
    done = subprocess.run(
        [sys.executable, "-c", begin + program, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_native_code_alone_is_silenced():
    out, err = run("""
say("before")
before = [os.fstat(number) for number in (1, 2)]
with native_code_quiet():
    say("within")
    with native_code_quiet():
        say("twice within")
    say("still within")
    print("Python"); print("Python", file=sys.stderr); os.write(2, b"descriptor\\n"); os.write(1, b"descriptor\\n")
    within = [os.fstat(number) for number in (1, 2)]
say("after")
assert before == within == [os.fstat(number) for number in (1, 2)]
""")
    assert sorted(out.splitlines()) == ["Python", "descriptor", "native after", "native before"]
    assert sorted(err.splitlines()) == ["Python", "descriptor", "native after", "native before"]


def test_an_exception_ends_the_silence():
    out, err = run("""
try:
    with native_code_quiet():
        raise KeyError
except KeyError:
    say("after")
""")
    assert out == err == "native after\n"


def test_threads_do_not_end_each_others_silence():
    """One begins within the other, and ends after it; a third one writes all the time."""
    out, err = run("""
inside, leave = threading.Event(), threading.Event()
def other():
    with native_code_quiet():
        inside.set(); leave.wait()
        say("in the other")
def python():
    for number in range(300):
        print(number, file=sys.stderr)
threads = [threading.Thread(target=other), threading.Thread(target=python)]
with native_code_quiet():
    for thread in threads: thread.start()
    inside.wait()
say("in the first, after its end")
leave.set()
for thread in threads: thread.join()
def often():
    for _ in range(200):
        with native_code_quiet():
            say("often")
threads = [threading.Thread(target=often) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
say("after")
""")
    assert out == "native after\n"
    assert err.splitlines() == [*map(str, range(300)), "native after"]


def test_a_child_speaks():
    out, err = run("""
with native_code_quiet():
    say("within")
    child = os.fork()
    if child == 0:
        say("in the child")
        C.fflush(None)
        os._exit(0)
    os.waitpid(child, 0)
say("after")
""")
    assert out == err == "native in the child\nnative after\n"


def chatter(folder: Path) -> list[Path]:
    """Damaged files that libsndfile and what it is built of have something to say about."""
    soundfile = pytest.importorskip("soundfile")
    samples = [0.1, -0.2, 0.3, -0.1] * 4000
    found = []
    for name, form, damage in (("a.mp3", "MP3", slice(400, 700)), ("a.sds", "SDS", slice(21, 60))):
        soundfile.write(folder / name, samples, 16000, format=form)
        data = bytearray((folder / name).read_bytes())
        data[damage] = bytes(index * 37 % 251 for index in range(*damage.indices(len(data))))
        (folder / name).write_bytes(data)
        found.append(folder / name)
    return found


def test_decoders_are_silenced(tmp_path):
    files = chatter(tmp_path)
    spoken = run("""
import soundfile
for name in sys.argv[1:]:
    try: soundfile.read(name)
    except soundfile.SoundFileError: pass
""", *files)  # fmt: skip
    assert "Error" in spoken[0]  # else these files prove nothing
    assert "Illegal Audio-MPEG" in spoken[1]
    silent = run("""
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.recordings.audio_files import read_audio, seconds_of
for name in sys.argv[1:]:
    seconds_of(name)
    try: read_audio(name, 16000)
    except RecipeError: pass
""", *files)  # fmt: skip
    assert silent == ("", "")


def test_what_kenlm_says_of_arpa_files_is_not_said(tmp_path, monkeypatch):
    (tmp_path / "a.arpa").write_text(
        "\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n"
        "-1\t<unk>\t0\n-1\t<s>\t0\n-1\t</s>\t0\n-0.5\tone\t0\n-0.6\tno\t0\n"
        "\n\\2-grams:\n-1\tone\tno\n\n\\end\\\n"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spoken = run("""
from flashlight.lib.text import dictionary
from flashlight.lib.text.decoder import kenlm
kenlm.KenLM(sys.argv[1], dictionary.Dictionary(["one", "no", "<unk>"]))
""", tmp_path / "a.arpa")  # fmt: skip
    assert "Loading the LM will be faster" in spoken[1]
    silent = run("""
from deepspeech_recipe.runtime.decoders.lm import Scorer
Scorer(sys.argv[1]).for_model([b" ", b"e", b"n", b"o"])
print("done", file=sys.stderr)
""", tmp_path / "a.arpa")  # fmt: skip
    assert silent == ("", "done\n")


def test_what_tensorflow_tells_while_mo_loads_a_graph_is_not_said_and_what_it_raises_is():
    out, err = run("""
from types import SimpleNamespace
from deepspeech_recipe.converters.mo_loading import prepare_loading
from deepspeech_recipe.graphdef.proto import GraphDef
def load(fails):
    say("chatter")
    if fails: raise ValueError("the graph is damaged")
    return GraphDef(), "graph"
loader = SimpleNamespace(load_tf_graph_def=load)
for fails in (False, True):
    prepare_loading(loader, saved_model=False)
    try: print(loader.load_tf_graph_def(fails)[1])
    except ValueError as error: print(error)
    assert loader.load_tf_graph_def is load
say("after")
""")
    assert out == "graph\nthe graph is damaged\nnative after\n"
    assert err == "native after\n"


COMMANDS = """
import sys
from deepspeech_recipe.cli import main
model, folder = sys.argv[1:]
for command in (
    ["inspect", model],
    ["convert", model, "-o", folder, "--converter", "openvino", "--verify"],
    ["verify", model, f"{folder}/output_graph.xml", "--reference", "tensorflow"],
    ["diagnose", model, f"{folder}/output_graph.xml"],
):
    assert main(command) == 0, command
"""


@pytest.mark.long
@pytest.mark.requires_tf
def test_commands_that_tensorflow_takes_part_in_leave_stderr_empty(tmp_path):
    """Where nobody watches; on a terminal there is progress."""
    chatty = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "CUDA_"))}
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, MODEL, tmp_path],
        cwd=ROOT,
        env=chatty,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "all 20 checks passed" in done.stdout
    assert done.stderr == ""
