"""Files of a conversion appear together: whatever ends the process, no .xml is found with another's .bin."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe import temporary
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import atomic_path
from deepspeech_recipe.ir import save
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.temporary import temporary_directory
from tests.support.small_irs import model

pytestmark = pytest.mark.anywhere

REPOSITORY = Path(__file__).parents[1]
X = np.arange(1, 41, dtype=np.float32)[None]


def values(xml: Path) -> np.ndarray:
    compiled = ov.Core().compile_model(ov.Core().read_model(xml), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([X])[0].copy()


def made(folder: Path, models: dict) -> dict[str, Path]:
    folder.mkdir()
    for name, each in models.items():
        ov.save_model(each, folder / f"{name}.xml", compress_to_fp16=False)
    return {name: folder / f"{name}.xml" for name in models}


REPLACE = """
import json, os, signal, sys
from pathlib import Path
from deepspeech_recipe.ir import replace

new, out, scratch, step = json.loads(sys.argv[1])
changes = 0

def counted(change):
    def call(*arguments, **options):
        global changes
        if changes == step:
            os.kill(os.getpid(), signal.SIGKILL)
        changes += 1
        return change(*arguments, **options)
    return call

os.replace, Path.unlink = counted(os.replace), counted(Path.unlink)
replace.replace_irs({name: Path(path) for name, path in new.items()}, Path(out), Path(scratch))
"""


def killed_at(step: int, new: dict[str, Path], out: Path, scratch: Path) -> bool:
    """Runs replace_irs in a process that is killed before its step-th change; whether there were that many."""
    given = json.dumps([new, out, scratch, step], default=str)
    done = subprocess.run([sys.executable, "-c", REPLACE, given], cwd=REPOSITORY, check=False)
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


@pytest.mark.parametrize(("before", "after"), [(200, 200), (100, 300), (300, 100)])
def test_a_process_killed_at_any_step_leaves_the_old_pair_or_the_new_one(tmp_path, before, after):
    old, new = (made(tmp_path / f"{seed}", {"m": model(seed, size)}) for seed, size in ((1, before), (2, after)))
    wanted = [values(old["m"]), values(new["m"])]
    seen = []
    for step in range(99):
        out, scratch = tmp_path / f"out {step}", tmp_path / f"scratch {step}"
        out.mkdir()
        scratch.mkdir()
        copies = {}
        for source, target in ((old["m"], out / "m.xml"), (new["m"], scratch / "new.xml")):
            for suffix in (".xml", ".bin"):
                target.with_suffix(suffix).write_bytes(source.with_suffix(suffix).read_bytes())
        copies["m"] = scratch / "new.xml"
        more = killed_at(step, copies, out, scratch)
        found = values(out / "m.xml")
        seen.append([found.shape == each.shape and np.array_equal(found, each) for each in wanted].index(True))
        if not more:
            break
    assert len(seen) == 6
    assert seen[0] == 0
    assert seen[-1] == 1
    assert seen == sorted(seen)
    assert (out / "m.bin").read_bytes() == new["m"].with_suffix(".bin").read_bytes()
    assert (out / "m.xml").read_bytes() == new["m"].read_bytes()


def test_a_part_is_never_found_beside_another_conversion(tmp_path):
    old, new = (made(tmp_path / f"{seed}", {"m": model(seed), "m.audio": model(seed + 10)}) for seed in (1, 2))
    wanted = [[values(pair[name]) for name in ("m", "m.audio")] for pair in (old, new)]
    parts = []
    for step in range(99):
        out, scratch = tmp_path / f"out {step}", tmp_path / f"scratch {step}"
        out.mkdir()
        scratch.mkdir()
        for folder, pairs in ((out, old), (scratch, new)):
            for source in pairs.values():
                for suffix in (".xml", ".bin"):
                    (folder / source.with_suffix(suffix).name).write_bytes(source.with_suffix(suffix).read_bytes())
        (scratch / "between").mkdir()
        more = killed_at(step, {name: scratch / f"{name}.xml" for name in new}, out, scratch / "between")
        main = [np.array_equal(values(out / "m.xml"), each[0]) for each in wanted].index(True)
        part = out / "m.audio.xml"
        if part.exists():
            assert np.array_equal(values(part), wanted[main][1])
        parts.append(part.exists())
        if not more:
            break
    assert main == 1
    assert parts[0]
    assert parts[-1]
    assert not all(parts)


def test_what_is_the_same_is_not_written_in_between(tmp_path):
    for _ in range(2):
        files = save.save_irs({"m": model(1)}, tmp_path / "out")
        assert files == [tmp_path / "out" / "m.xml", tmp_path / "out" / "m.bin"]
        assert sorted(os.listdir(tmp_path / "out")) == ["m.bin", "m.xml"]
    one = values(files[0])
    save.save_irs({"m": model(2)}, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["m.bin", "m.xml"]
    assert not np.array_equal(values(files[0]), one)


@pytest.mark.parametrize("left", ["xml", "bin", "link to nowhere", "link"])
def test_half_a_pair_does_not_become_a_whole_one(tmp_path, left):
    out = tmp_path / "out"
    save.save_irs({"m": model(1)}, out)
    if left == "xml":
        (out / "m.bin").unlink()
    elif left == "bin":
        (out / "m.xml").unlink()
    else:
        (out / "m.xml").rename(tmp_path / "other.xml")
        (out / "m.xml").symlink_to(tmp_path / ("other.xml" if left == "link" else "none.xml"))
    save.save_irs({"m": model(2)}, out)
    assert np.array_equal(values(out / "m.xml"), values(made(tmp_path / "2", {"m": model(2)})["m"]))


CONVERT = """
import os, signal, sys
from deepspeech_recipe.ir import save
from tests.support.small_irs import model
real = save.ov.save_model
def write(*arguments, **options):
    real(*arguments, **options)
    print("writing", flush=True)
    sys.stdin.readline()
    if sys.argv[2] == "fail":
        raise RuntimeError("it failed")
save.ov.save_model = write
try:
    save.save_irs({"other": model(3)}, sys.argv[1])
except Exception as error:
    print(error)
"""


def other_process(out: Path, what: str = "go"):
    """One that is just writing its IR."""
    child = subprocess.Popen([sys.executable, "-c", CONVERT, out, what], text=True, cwd=REPOSITORY,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert child.stdout.readline() == "writing\n"
    return child


def test_a_failed_run_removes_nothing_of_others(tmp_path):
    """It made the directory; when it fails, another's IR is there."""
    out = tmp_path / "a" / "irs"
    child = other_process(out, "fail")
    save.save_irs({"m": model(1)}, out)
    assert "cannot be written (it failed)" in child.communicate("\n")[0]
    assert sorted(os.listdir(out)) == ["m.bin", "m.xml"]
    empty = tmp_path / "b" / "irs"
    other_process(empty, "fail").communicate("\n")
    assert not empty.parent.exists()


def test_what_a_killed_run_left_is_removed_by_the_next_and_never_a_live_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary, "_swept", set())
    live, dead = other_process(tmp_path), other_process(tmp_path)
    dead.kill()
    dead.wait()
    assert len(os.listdir(tmp_path)) == 2
    save.save_irs({"m": model(1)}, tmp_path)
    assert len(os.listdir(tmp_path)) == 3
    live.communicate("\n")
    assert sorted(os.listdir(tmp_path)) == ["m.bin", "m.xml", "other.bin", "other.xml"]
    dead.stdin.close()
    dead.stdout.close()


def test_temporary_directories_of_others_are_not_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary, "_swept", set())
    prefix = temporary._PREFIX
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{prefix}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{prefix}file").write_text("not a directory")
    (tmp_path / ".deepspeech-recipe-another-machine").mkdir()
    with temporary_directory(tmp_path) as directory:
        assert directory.is_dir()
        (tmp_path / f"{prefix}dead").mkdir()  # once a process is enough
        with temporary_directory(tmp_path):
            pass
    left = {".deepspeech-recipe-another-machine", f"{prefix}dead", f"{prefix}file", f"{prefix}link", "elsewhere"}
    assert set(os.listdir(tmp_path)) == left
    monkeypatch.setattr(temporary, "_swept", set())
    with temporary_directory(tmp_path):
        assert not (tmp_path / f"{prefix}dead").exists()


def test_where_there_are_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary, "_LOCKS", False)
    monkeypatch.setattr(temporary, "_swept", set())
    (tmp_path / f"{temporary._PREFIX}dead").mkdir()
    save.save_irs({"m": model(1)}, tmp_path)
    assert len(os.listdir(tmp_path)) == 3


@pytest.fixture
def little_room():
    """No file may be larger than 20 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_said_and_the_old_ir_stays(tmp_path, little_room):
    out = tmp_path / "out"
    with pytest.raises(RecipeError, match=r"out: the IR cannot be written \(File too large\)"):
        save.save_irs({"m": model(1)}, out)
    assert not out.exists()
    out.mkdir()
    save.save_irs({"m": model(1, 10)}, out)
    before = values(out / "m.xml")
    # The new pair would have room, what is between the two has not.
    with pytest.raises(RecipeError, match=r"out: the IR cannot be written \(File too large\)"):
        save.save_irs({"m": model(2, 90)}, out)
    assert np.array_equal(values(out / "m.xml"), before)
    assert sorted(os.listdir(out)) == ["m.bin", "m.xml"]
    with (
        pytest.raises(RecipeError, match=r"x\.npy: cannot be written \(File too large\)"),
        atomic_path(tmp_path / "x.npy") as path,
    ):
        path.write_bytes(bytes(30_000))
    assert os.listdir(tmp_path) == ["out"]


def test_outputs_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "far")
    for out, reason in {
        tmp_path / "file": "is a file; give a directory",
        tmp_path / "file" / "irs": "cannot be made, '.*file' is a file",
        tmp_path / "nowhere": "cannot be made, '.*nowhere' is a link that leads nowhere",
        tmp_path / "nowhere" / "irs": "'.*nowhere' is a link that leads nowhere",
        tmp_path / ("x" * 300): "is not the name of a directory",
        tmp_path / "a\0b": "is not the name of a directory",
    }.items():
        with pytest.raises(RecipeError, match=reason):
            save.save_irs({"m": model(1)}, out)
    (tmp_path / "m.xml").mkdir()
    with pytest.raises(RecipeError, match=r"m\.xml: is a directory"):
        save.save_irs({"m": model(1)}, tmp_path)
    for name in ("", ".", "a/b", "x" * 300):
        with pytest.raises(RecipeError, match=r"is not (a file name|the name of a file)"):
            save.save_irs({name: model(1)}, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["file", "m.xml", "nowhere"]
