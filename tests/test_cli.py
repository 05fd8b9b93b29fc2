"""The command line: its contract of exit codes and streams, and the functions behind it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import deepspeech_recipe
from deepspeech_recipe import cli
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from tests.support.command_line import one_error
from tests.support.pbmm_writer import write_pbmm
from tests.support.source_models import graph_bytes, make_graph

ROOT = Path(__file__).parent.parent


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "model.pb"
    path.write_bytes(graph_bytes())
    return path


def in_process(*arguments, stdout=subprocess.PIPE, **environment):
    """`python -m deepspeech_recipe` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "deepspeech_recipe", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )


def test_importing_the_package_and_the_parser_is_cheap():
    code = "import sys, deepspeech_recipe.cli as cli; cli.build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"numpy", "openvino", "tensorflow", "google.protobuf"} & set(done.stdout.split())


@pytest.mark.anywhere
def test_every_command_is_a_function_too():
    """Whatever was asked for before: a module that is imported must not take the place of a function."""
    names = [name for name in cli.COMMANDS if name != "serve"]
    for asked in (names, names[::-1]):
        code = f"import deepspeech_recipe as d; print(*(getattr(d, name).__name__ for name in {asked} * 2))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.split() == asked * 2
    assert {*names} <= {*deepspeech_recipe.__all__}
    assert {*names} <= {*dir(deepspeech_recipe)}


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'transcrobe'"):
        deepspeech_recipe.transcrobe  # noqa: B018


def test_help_lists_every_command_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {name} " in printed for name in cli.COMMANDS)
    assert "0 done, 1 a check or a recording failed, 2 bad usage" in printed


def test_the_command_alone_prints_help(capsys):
    assert cli.main([]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: deepspeech-recipe")
    assert err == ""


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"deepspeech-recipe {deepspeech_recipe.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["convrt"], "invalid choice: 'convrt'"),
        (["inspect"], "inspect: the following arguments are required: MODEL (see deepspeech-recipe inspect --help)"),
        (["inspect", "x.pb", "--jso"], "inspect: unrecognized arguments: --jso (see deepspeech-recipe inspect --help)"),
        (["--jso"], "the following arguments are required: COMMAND (see deepspeech-recipe --help)"),
        (["unpack", "x.pbmm"], "unpack: the following arguments are required: OUT.pb"),
    ],
)
def test_bad_usage_is_one_line(capsys, arguments, text):
    assert cli.main(arguments) == 2
    assert text in one_error(capsys.readouterr())


BAD_FILES = {
    "empty": (b"", "is empty"),
    "text": (b"hello\nworld\n", "is a text file"),
    "random": (bytes(range(7, 255)) * 20, "cut off, damaged, or of another kind"),
    "truncated": (graph_bytes()[:3000], "cut off, damaged, or of another kind"),
    "protobuf": (b"\x0a\x05hello\x12\x03abc", "is not a frozen graph"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
@pytest.mark.parametrize("command", ["inspect", "unpack"])
def test_a_bad_file_is_one_line_that_names_it(capsys, tmp_path, command, kind):
    data, text = BAD_FILES[kind]
    path, out = tmp_path / "bad.pb", tmp_path / "out.pb"
    path.write_bytes(data)
    assert cli.main([command, str(path), *([str(out)] if command == "unpack" else [])]) == 2
    line = one_error(capsys.readouterr())
    assert str(path) in line
    assert text in line
    assert [file.name for file in tmp_path.iterdir()] == ["bad.pb"]


@pytest.mark.parametrize("command", ["inspect", "unpack"])
def test_a_missing_file_and_a_directory(capsys, tmp_path, command):
    for path, text in ((tmp_path / "no.pb", "does not exist"), (tmp_path, "is a directory without a model")):
        assert cli.main([command, str(path), *([str(tmp_path / "o.pb")] if command == "unpack" else [])]) == 2
        assert text in one_error(capsys.readouterr())


def test_unpack_writes_the_same_graph(capsys, tmp_path):
    package, out = tmp_path / "model.pbmm", tmp_path / "model.pb"
    write_pbmm(make_graph(), package, smallest=100)
    assert cli.main(["unpack", str(package), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert parse(GraphDef, out.read_bytes(), what="") == make_graph()


def test_unpack_refuses_what_is_not_a_package_and_an_output_it_cannot_write(capsys, model, tmp_path):
    assert cli.main(["unpack", str(model), str(tmp_path / "o.pb")]) == 2
    assert "is a frozen graph (.pb) already" in one_error(capsys.readouterr())
    assert cli.main(["unpack", str(model), str(tmp_path / "no" / "o.pb")]) == 2
    assert "does not exist; make it first" in one_error(capsys.readouterr())


def test_extensions_prints_the_plugin_s_directory(capsys):
    assert cli.main(["extensions"]) == 0
    assert capsys.readouterr().out == f"{ROOT / 'mo_extensions'}\n"


def test_extensions_says_where_the_plugin_should_be(capsys, monkeypatch, tmp_path):
    import importlib

    module = importlib.import_module("deepspeech_recipe.converters.extensions")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "deepspeech_recipe" / "converters" / "extensions.py"))
    assert cli.main(["extensions"]) == 2
    assert f"{tmp_path / 'mo_extensions'}: the Model Optimizer plugin is missing" in one_error(capsys.readouterr())


def test_a_closed_pipe_is_quiet(model):
    reader, writer = os.pipe()
    os.close(reader)
    done = in_process("inspect", model, "--json", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(model):
    with open("/dev/full", "w") as full:
        done = in_process("inspect", model, stdout=full)
    assert done.returncode == 2
    assert done.stderr == "deepspeech-recipe: error: No space left on device.\n"


def test_a_terminal_without_utf8_gets_all_there_is(model):
    done = in_process("inspect", model, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2423 a b \\xe9 '" in done.stdout


def test_an_interruption_is_quiet(capsys, monkeypatch, model):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.inspect, "run", interrupted)
    assert cli.main(["inspect", str(model)]) == 130
    assert capsys.readouterr() == ("", "")


def in_shell(line: str, **environment) -> subprocess.CompletedProcess:
    """As on a terminal: what a shell runs in the background, these tests for one, would have Ctrl-C ignored."""
    command = f"'{sys.executable}' -m deepspeech_recipe"
    return subprocess.run(
        ["sh", "-c", line.replace("COMMAND", command)], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parent.parent, env={**os.environ, **environment},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def test_closed_streams_are_quiet(tmp_path, model):
    """Also in what is written meanwhile: the first file that is opened would be standard output."""
    for line in (f"COMMAND inspect '{model}' >&-", f"COMMAND inspect '{model}' >&- 2>&- <&-"):
        done = in_shell(line)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert in_shell("COMMAND inspect nothing >&- 2>&-").returncode == 2
    done = in_shell("COMMAND inspect nothing >&-")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    done = in_shell(f"COMMAND convert '{model}' -o '{tmp_path}' --converter openvino --no-verify >&- 2>&- <&-")
    assert done.returncode == 0
    (xml,) = tmp_path.glob("*.xml")
    assert xml.read_text().rstrip().endswith("</net>")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_error_that_cannot_be_printed_keeps_the_exit_code():
    assert in_shell("COMMAND inspect nothing 2>/dev/full").returncode == 2


@pytest.mark.parametrize("error", ["raise", "raise ImportError('initialization failed') from None", "import no_such"])
def test_ctrl_c_while_a_library_is_imported(tmp_path, model, error):
    """What libraries make of KeyboardInterrupt is not said."""
    (tmp_path / "numpy.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    for _ in range(9**9): pass\n"
        f"except KeyboardInterrupt:\n    {error}\n"
    )
    done = in_shell(f"COMMAND inspect '{model}'", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_while_the_command_line_is_imported(tmp_path):
    (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt\n")
    done = in_shell("COMMAND --help", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_results_go_to_stdout_alone(capsys, model):
    assert cli.main(["inspect", str(model), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["file"]["path"] == str(model)
    assert captured.err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_for_a_shell(capsys, shell):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--print-completion", shell])
    assert stopped.value.code == 0
    script = capsys.readouterr().out
    assert all(name in script for name in (*cli.COMMANDS, "--recursive", "--cluster"))


def test_completion_in_bash(capsys, tmp_path):
    """What the shell offers after some letters: commands, options, files."""
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit):
        cli.main(["--print-completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "talk.wav").touch()

    def offered(*words: str) -> list[str]:
        ask = (
            f"source {tmp_path}/script; COMP_WORDS=(deepspeech-recipe {' '.join(words)}); COMP_CWORD={len(words)}; "
            "$(complete -p deepspeech-recipe | sed 's/.* -F \\([^ ]*\\) .*/\\1/') 2>/dev/null; echo \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert offered("tra") == ["transcribe"]
    assert offered("transcribe", "--recu") == ["--recursive"]
    assert offered("transcribe", "talk") == ["talk.wav"]


def test_completion_without_shtab_names_the_remedy(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["--print-completion", "bash"]) == 2
    assert "pip install shtab" in one_error(capsys.readouterr())
