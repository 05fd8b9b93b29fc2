"""The fixed part of ci/fuzz: some damaged files through every reader, and proof that the harness finds faults."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ci.fuzzing import corpus
from ci.fuzzing.planted import FAULTS
from ci.fuzzing.readers import READERS
from ci.fuzzing.table_mutations import read_table, write_table
from deepspeech_recipe.processes import trial

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).parent.parent
FIXED = ("pb", "text graph", "pbmm", "checkpoint", "SavedModel", "tflite", "archive", "alphabet", "manifest", "scorer")
FIXED += ("audio", "audio without soundfile", "IR", "convert", "pb in place", "pbmm in place", "convert in place")
# Fault → how its mechanism begins.
MECHANISMS = {
    "traceback": "IndexError at ci/fuzzing/planted.py",
    "memory error": "MemoryError at ci/fuzzing/planted.py",
    "signal": "SIGSEGV at ci/fuzzing/planted.py",
    "hang": "time at ci/fuzzing/planted.py",
    "memory": "memory",
    "prints": "prints: 'chatter'",
    "writes beside": "changes the input's directory",
    "writes at home": "leaves files in home",
    "leaves a temporary file": "leaves files in temporary",
    "names nothing": "a refusal that does not name the file",
    "two lines": "a refusal that is not one line",
    "exits": "SystemExit",
    "runs a program": "os.system",
}


def fuzz(folder: Path, *arguments: str):
    """A process of its own: workers are copies of it, and a test's process has threads. It works in an empty directory,
    and neither it nor a reader may leave a file there."""
    (empty := folder / "empty").mkdir(parents=True)
    command = [sys.executable, "-m", "ci.fuzzing", "--findings", str(folder / "findings"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert list(empty.iterdir()) == []
    empty.rmdir()
    return done


@pytest.mark.long
def test_damaged_files_are_read_or_refused(tmp_path):
    chosen = [argument for name in FIXED for argument in ("--reader", name)]
    done = fuzz(tmp_path, "--inputs", "40", "--seed", "1", *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"all {40 * len(FIXED)}" in " ".join(done.stdout.split())


@pytest.mark.long
def test_the_harness_finds_every_planted_fault(tmp_path):
    done = fuzz(tmp_path, "--inputs", "60", "--seed", "1", "--reader", "planted")
    assert done.returncode == 1, done.stderr
    found = {path: json.loads((path / "about.json").read_text()) for path in (tmp_path / "findings").iterdir()}
    assert MECHANISMS.keys() == set(FAULTS) - {"accepted", "refused"}
    for fault, mechanism in MECHANISMS.items():
        assert any(about["mechanism"].startswith(mechanism) for about in found.values()), fault
    for path, about in found.items():
        # What was kept is the file that did it.
        fault = (path / "input" / "planted.bin").read_text()
        assert about["mechanism"].startswith((MECHANISMS[fault], "writes in …"))
    traceback = next(path for path, about in found.items() if about["mechanism"].startswith("IndexError"))
    again = fuzz(tmp_path / "again", "--replay", str(traceback))
    assert again.returncode == 1
    assert "IndexError: pop from empty list" in again.stdout
    (tmp_path / "planted.bin").write_text("refused")
    assert fuzz(tmp_path, "--replay", str(tmp_path / "planted.bin"), "--reader", "planted").returncode == 0


@pytest.mark.parametrize("name", ["pb", "text graph", "pbmm", "checkpoint", "SavedModel", "tflite", "scorer", "audio"])
def test_a_seed_and_a_number_make_the_same_file_again(name):
    reader = READERS[name]
    reader.prepare()
    assert reader.input(5, 7) == reader.input(5, 7)
    assert reader.input(5, 7) != reader.input(5, 8)
    assert trial.subprocess is subprocess  # a trial by a copy of this process, which has threads, may never end


def test_a_table_is_written_as_it_was_read():
    for files in corpus.checkpoints():
        (index,) = (data for name, data in files.items() if name.endswith(".index"))
        entries = read_table(index)
        assert len(entries) > 10
        assert read_table(write_table(entries)) == entries
    assert write_table(entries, random.Random(1))
