"""The command `serve` as a process: it begins, says where, bounds its connections, and ends in order."""

import argparse
import dataclasses
import inspect
import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets import ConnectionClosed
from websockets.sync.client import connect

from deepspeech_recipe import cli, serve
from deepspeech_recipe.cli import serve as command_line
from deepspeech_recipe.serve.options import Options
from tests.support.bundled import FOLDER, bundled_batches, pcm, samples_of
from tests.support.serving import wait
from tests.support.web import ask

ROOT = Path(__file__).parent.parent
RECORDING = sorted((FOLDER / "recordings").glob("*.wav"))[0]


@contextmanager
def command(*options, model=None):
    """(process, address) of a server that is ready."""
    line = [
        sys.executable,
        "-m",
        "deepspeech_recipe",
        "serve",
        "--model",
        str(model or bundled_batches()),
        "--port",
        "0",
    ]
    process = subprocess.Popen([*line, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        base = process.stderr.readline().strip()
        assert base.startswith("http"), base + process.stderr.read()
        wait(lambda: _is_ready(base))
        yield process, base
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _is_ready(base: str) -> bool:
    try:
        return ask(base, "health").status == 200
    except OSError:
        return False


def test_sigterm_gives_live_streams_their_texts_and_then_it_leaves():
    with command("--max-streams", "2", "--silence", "0") as (process, base):
        with connect(base.replace("http", "ws") + "v1/stream") as connection:
            connection.send(pcm(samples_of(RECORDING)))
            connection.send('{"end": true}')
            while (message := json.loads(connection.recv()))["type"] != "final":
                pass
            text = message["text"]
            connection.send(pcm(samples_of(RECORDING)))
            while json.loads(connection.recv())["text"] != text:
                pass
            process.send_signal(signal.SIGTERM)
            found = [json.loads(connection.recv()) for _ in range(2)]
            with pytest.raises(ConnectionClosed) as closed:
                connection.recv()
        assert (found[0]["type"], found[0]["text"]) == ("final", text)
        assert found[1] == {"type": "error", "message": "The server is about to end."}
        assert closed.value.rcvd.code == 1001
        assert process.wait(20) == 0
        assert "Traceback" not in process.stderr.read()


def test_connections_are_bounded_and_a_request_that_does_not_come_is_not_waited_for():
    with command("--max-streams", "2", "--max-connections", "2", "--idle", "0.5") as (process, base):
        where = urlsplit(base)
        open_ones = [socket.create_connection((where.hostname, where.port), timeout=20) for _ in range(2)]
        open_ones[0].sendall(b"GET /health HTTP/1.1\r\nHost:")
        third = socket.create_connection((where.hostname, where.port), timeout=20)
        assert third.recv(1000).startswith(b"HTTP/1.1 503")
        assert [each.recv(1000) for each in (*open_ones, third)] == [b"", b"", b""]
        assert ask(base, "health").status == 200
        for _ in range(2):  # who is in a hurry
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "Traceback" not in process.stderr.read()


def test_a_model_that_cannot_be_loaded_ends_it_with_one_line(tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(b"nothing")
    done = subprocess.run(
        [sys.executable, "-m", "deepspeech_recipe", "serve", "--model", str(path), "--port", "0", "--quiet"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"deepspeech-recipe: error: {path}: ")


def test_a_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = cli.main(["serve", "--model", str(bundled_batches()), "--port", str(port)])
    assert code == 2
    assert f"127.0.0.1, port {port}: cannot be listened on" in capsys.readouterr().err


def test_the_options_of_the_command_are_those_of_the_functions_with_their_defaults():
    """What is not typed is not passed on, so no default stands there a second time."""
    parser = argparse.ArgumentParser()
    command_line.add_arguments(parser)
    typed = {action.dest: action for action in parser._actions if action.dest != "help"}
    fields = {field.name: field.default for field in dataclasses.fields(Options)}
    found = {**parameters(serve.serve), **parameters(serve.app), **fields}
    search = {"scorer", "words", "alpha", "beta", "beam_width", "hot_words"}  # what the decoder is made of
    not_typed = {"decoder", "log", "options", "token"}
    assert {*typed} - search == {*found} - not_typed
    for name, action in typed.items():
        if name not in search and action.default is not argparse.SUPPRESS and not action.required:
            assert action.default == found[name]
        if action.default is argparse.SUPPRESS and found[name] and name != "max_upload":
            assert f"(default: {found[name]:g})" if isinstance(found[name], float) else str(found[name]) in action.help


def parameters(function) -> dict:
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
