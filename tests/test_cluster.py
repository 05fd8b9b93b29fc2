"""A real Ray cluster on this machine: the same as without, also when workers or the whole command are killed.

`ci/cluster` runs these in an environment with Ray, over as many recordings as CLUSTER_RECORDINGS says.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import main
from deepspeech_recipe.corpus import cluster
from tests.support.bundled import bundled_ir, samples_of, transcripts
from tests.support.command_line import one_error
from tests.support.recordings_folder import BAD, FIRST, TEXTS, write_folder

ray = pytest.importorskip("ray")
soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")
ROOT = Path(__file__).parent.parent
MANY = int(os.environ.get("CLUSTER_RECORDINGS", "100"))


@pytest.fixture(scope="module", params=[2, 4])
def workers(request):
    """A cluster with that many processors, to which commands of this process are connected."""
    environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
    ray.init("local", num_cpus=request.param, runtime_env=environment, **options)
    yield request.param
    ray.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("recordings"))


def transcribe(*arguments) -> int:
    return main(["transcribe", *map(str, arguments), "--model", str(bundled_ir())])


def files_of(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def without_times(err: str) -> list[str]:
    return sorted(re.sub(r"; .*", "", line) for line in err.splitlines())


def test_the_same_texts_files_and_summary_as_without(capsys, folder, tmp_path, workers, monkeypatch):
    monkeypatch.chdir(folder.parent)  # a relative path is one on a node, too
    if workers == 4:  # looked at by the nodes, as thousands are
        monkeypatch.setattr(cluster, "_LOOKED_AT_ONCE", 3)
    arguments = [folder.name, "--recursive", "--format", "txt,srt,json"]
    assert transcribe(*arguments, "--batch", "8", "-o", tmp_path / "here") == 1
    here = capsys.readouterr()
    assert transcribe(*arguments, "--cluster", "auto", "-o", tmp_path / "there") == 1
    there = capsys.readouterr()
    assert without_times(there.err) == without_times(here.err)
    found = files_of(tmp_path / "there")
    assert len(found) == 3 * len(TEXTS)
    texts = {name: text for name, text in files_of(tmp_path / "here").items() if not name.endswith(".json")}
    assert {name: found[name] for name in texts} == texts
    assert transcribe(*arguments[:2], "--cluster", "auto") == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{folder.name}/{name}: {TEXTS[name]}" for name in sorted(TEXTS, key=lambda name: (name.count("/"), name))
    ]
    assert len(BAD) == 4


def test_one_recording_needs_one_worker(capsys, workers, recwarn):
    path = next(iter(transcripts()))
    assert transcribe(path, "--cluster", "auto") == 0
    assert capsys.readouterr().out == f"{transcripts()[path]}\n"
    assert [str(each.message) for each in recwarn if "actors" in str(each.message)] == []


def test_many_short_recordings_to_the_letter(tmp_path, workers):
    """Cut out of the bundled ones."""
    sources = [samples_of(path) for path in transcripts()]
    rng = np.random.default_rng(0)
    for number in range(MANY):
        source = sources[number % len(sources)]
        begin = rng.integers(0, len(source) // 2)
        part = source[begin : begin + rng.integers(4000, 16000)]
        soundfile.write(tmp_path / f"{number:05}.wav", part, 16000, "PCM_16")
    here = deepspeech_recipe.transcribe(tmp_path, bundled_ir())
    there = deepspeech_recipe.transcribe(tmp_path, bundled_ir(), cluster="auto")
    assert [result.text for result in there] == [result.text for result in here]
    assert len({result.text for result in here}) > MANY / 4


def test_evaluate_counts_the_same(tmp_path, workers):
    pytest.importorskip("jiwer")
    lines = [f"{path},{text}" for path, text in transcripts().items()]
    (tmp_path / "m.csv").write_text("\n".join(["wav_filename,transcript", *lines, "none.wav,a"]))
    here = deepspeech_recipe.evaluate(tmp_path / "m.csv", bundled_ir())
    there = deepspeech_recipe.evaluate(tmp_path / "m.csv", bundled_ir(), cluster="auto")
    assert (there.total.wer, there.total.cer, there.texts) == (here.total.wer, here.total.cer, here.texts)
    assert there.failed == here.failed != ()


class Killer:
    """Kills whatever worker has a recording open, up to that many times."""

    def __init__(self, recording: Path, times: int):
        self._recording, self.left = str(recording), times
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while self.left and not self._end.wait(0.01):
            for process in self._readers():
                with suppress(ProcessLookupError):  # it was done before
                    os.kill(process, signal.SIGKILL)
                    self.left -= 1

    def _readers(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name in ("self", str(os.getpid())) or not entry.name.isdecimal():
                    continue
                if any(os.readlink(each) == self._recording for each in (entry / "fd").iterdir()):
                    found.append(int(entry.name))
            except OSError:  # it is gone, or another's
                pass
        return found


@pytest.fixture
def long_recording(tmp_path) -> Path:
    """Beyond what is read at once for a batch, so that a worker is caught with it half read."""
    path = tmp_path / "long" / "long.wav"
    path.parent.mkdir()
    soundfile.write(path, np.tile(samples_of(FIRST), 150), 16000, "PCM_16")
    return path


def test_a_killed_worker_costs_a_retry_and_no_result(capsys, long_recording, workers):
    for number in range(3):
        (long_recording.parent / f"{number}.wav").symlink_to(FIRST)
    (expected,) = deepspeech_recipe.transcribe(long_recording, bundled_ir())
    with Killer(long_recording, 1) as killer:
        found = deepspeech_recipe.transcribe(long_recording.parent, bundled_ir(), cluster="auto")
    assert killer.left == 0
    assert [result.text for result in found] == [transcripts()[FIRST]] * 3 + [expected.text]


def test_what_kills_every_worker_fails_alone(capsys, long_recording, workers):
    for number in range(3):
        (long_recording.parent / f"{number}.wav").symlink_to(FIRST)
    with Killer(long_recording, 1000) as killer:
        assert transcribe(long_recording.parent, "--cluster", "auto") == 1
    assert killer.left < 998
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert f"error: {long_recording}: the workers that read it died" in err


def test_a_killed_command_goes_on(tmp_path):
    """In a cluster of its own, as the command starts it."""
    for number in range(60):
        (tmp_path / f"{number:02}.wav").symlink_to(FIRST)
    arguments = ["transcribe", str(tmp_path), "-o", str(tmp_path / "out"), "--model", str(bundled_ir()), "--batch", "1"]
    command = [sys.executable, "-m", "deepspeech_recipe", *arguments, "--cluster", "local"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    while not list((tmp_path / "out").glob("*.txt")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    made = len(list((tmp_path / "out").glob("*.txt")))
    assert 0 < made < 60
    done = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith(f"{60 - made} done, {made} skipped, 0 failed; ")
    assert set(files_of(tmp_path / "out").values()) == {f"{transcripts()[FIRST]}\n"}
    assert len(files_of(tmp_path / "out")) == 60


def test_what_a_cluster_cannot_do_is_one_line(capsys, workers):
    for reason, arguments in {
        "standard input: is read on this machine. Leave --cluster out": ["-"],
        "none.xml: no such file": [FIRST, "--model", "none.xml"],
    }.items():
        assert main(["transcribe", "--model", str(bundled_ir()), *map(str, arguments), "--cluster", "auto"]) == 2
        assert reason in one_error(capsys.readouterr())


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "ray://surely.not.invalid:10001"])
def test_no_cluster_at_that_address(address):
    command = [sys.executable, "-m", "deepspeech_recipe", "transcribe", str(FIRST), "--model", str(bundled_ir())]
    done = subprocess.run([*command, "--cluster", address], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"error: --cluster {address}: no cluster can be reached (" in line
