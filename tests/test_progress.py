"""Progress of long work: a bar on a terminal, lines without tqdm, nothing elsewhere, and never across the results."""

import sys
import threading

import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import console, main, progress
from deepspeech_recipe.cli.progress import Progress
from deepspeech_recipe.runtime.recordings.audio_files import seconds_of
from tests.support.bundled import MODEL, bundled_ir, samples_of, transcripts

pytestmark = pytest.mark.anywhere

FIRST, SECOND = list(transcripts())[:2]


def on_a_terminal(monkeypatch) -> None:
    """To be called by the test itself: stderr is another object before."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_QUIET", 0.0)
    monkeypatch.setattr(console, "_level", console.NORMAL)  # the command's last call has left its own


def work() -> None:
    with Progress("clips") as shown:
        for number in range(1, 5):
            shown(number, 4)
            shown.log(f"text {number}", sys.stdout)


def test_nothing_but_the_results_where_there_is_no_terminal(capsys):
    work()
    assert capsys.readouterr() == ("text 1\ntext 2\ntext 3\ntext 4\n", "")


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    on_a_terminal(monkeypatch)
    work()
    out, err = capsys.readouterr()
    assert out == "text 1\ntext 2\ntext 3\ntext 4\n"
    assert "50%|" in err
    assert "2/4 clips" in err
    assert err.split("\r")[-1].strip() == ""  # it is gone in the end


def test_short_work_has_no_bar(capsys, monkeypatch):
    on_a_terminal(monkeypatch)
    monkeypatch.setattr(progress, "_QUIET", 100.0)
    with Progress("clips") as shown:
        shown(1, 2)
        shown(2, 2)
    assert capsys.readouterr().err.strip() == ""


def test_lines_without_tqdm(capsys, monkeypatch):
    on_a_terminal(monkeypatch)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    now = iter([0.0, 4.0, 10.0, 19.0, 21.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    work()
    out, err = capsys.readouterr()
    assert out == "text 1\ntext 2\ntext 3\ntext 4\n"
    assert err == "2 of 4 clips\n4 of 4 clips\n"


def test_the_commands_show_it(capsys, monkeypatch, tmp_path):
    on_a_terminal(monkeypatch)
    assert main(["transcribe", str(FIRST), str(SECOND), "--model", str(bundled_ir())]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == f"{FIRST}: {transcripts()[FIRST]}"
    total = sum(map(seconds_of, (FIRST, SECOND)))
    assert "100%|" in err.replace("\r", "")
    assert f"/{total:.0f} s of audio" in err
    (tmp_path / "m.csv").write_text(f"wav_filename,transcript\n{FIRST},a\n{SECOND},b\n")
    pytest.importorskip("jiwer")
    assert main(["evaluate", str(tmp_path / "m.csv"), "--model", str(bundled_ir())]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert f"/{total:.0f} s of audio" in err


def test_all_audio_is_counted():
    counts = []
    results = deepspeech_recipe.transcribe(
        [FIRST, SECOND], bundled_ir(), progress=lambda done, total: counts.append((done, total))
    )
    assert [result.seconds for result in results] == [seconds_of(FIRST), seconds_of(SECOND)]
    seconds = (len(samples_of(FIRST)) + len(samples_of(SECOND))) / 16000
    assert counts[-1] == pytest.approx((seconds, seconds))
    assert [done for done, _ in counts] == sorted(done for done, _ in counts)


def test_the_length_of_a_file_by_its_header(tmp_path, monkeypatch):
    (tmp_path / "text.wav").write_text("no audio")
    for module in (None, "soundfile"):
        if module:
            monkeypatch.setitem(sys.modules, module, None)
        assert seconds_of(FIRST) == len(samples_of(FIRST)) / 16000
        assert seconds_of(tmp_path / "text.wav") == seconds_of(tmp_path / "missing.wav") == 0


def test_stages_are_shown_after_a_while_and_wiped(capsys, monkeypatch):
    on_a_terminal(monkeypatch)
    monkeypatch.setattr(progress, "_QUIET", 0.5)
    monkeypatch.setenv("COLUMNS", "30")
    shown = threading.Event()
    monkeypatch.setattr(sys.stderr, "flush", lambda: shown.set())
    with progress.Stages("reading") as stages:
        stages("comparing what is a good deal longer than a line")
        assert shown.wait(60)
    first, *others = capsys.readouterr().err.split("\r\033[K")
    assert first == others[-1] == ""
    assert others[0] == "… comparing what is a good deal longer than a line (0 s)"[:29]


@pytest.mark.parametrize(("option", "lines"), [("--verbose", True), ("--quiet", False), (None, False)])
def test_each_step_is_a_line_if_that_is_asked_for(capsys, tmp_path, option, lines):
    arguments = ["convert", str(MODEL), "-o", str(tmp_path), "--no-verify", *([option] if option else [])]
    assert main(arguments) == 0
    err = capsys.readouterr().err.splitlines()
    assert (f"… reading {MODEL}" in err) == lines
    assert bool(err) == lines


def test_marks_are_coloured_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert console.marked("  ✓ text") == "  \033[32m✓\033[0m text"
    assert console.marked("✗ text") == "\033[31m✗\033[0m text"
    assert console.marked("text ✓") == "text ✓"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.marked("✓ text") == "✓ text"
