"""The server's page of documentation: its client runs, its tables name what there is."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deepspeech_recipe import cli
from deepspeech_recipe.runtime import Recognizer
from tests.support.bundled import FOLDER, bundled_batches, samples_of
from tests.support.serving import served
from tests.support.web import ask

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
RECORDING = min((FOLDER / "recordings").glob("*.wav"), key=lambda path: path.stat().st_size)

FLAG = "--experimental-websocket"  # Node.js 20 needs it, later ones take it


@pytest.fixture(scope="module")
def base():
    with served(bundled_batches(), max_streams=2) as address:
        yield address


def test_the_client_in_python_prints_the_text_as_it_comes(base, tmp_path):
    (code,) = re.findall(r"```python\n(import asyncio.*?)```", PAGE, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 20
    program = tmp_path / "client.py"
    program.write_text(code)
    address = base.replace("http", "ws") + "v1/stream"
    command = [sys.executable, str(program), address, str(RECORDING)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    assert len(lines) > 3
    assert lines[-1] == Recognizer(bundled_batches()).transcribe(samples_of(RECORDING)).text


@pytest.mark.long
def test_the_client_in_javascript_prints_the_same(base, tmp_path):
    node = shutil.which("node")
    if node is None or subprocess.run([node, FLAG, "-e", "WebSocket"], capture_output=True, check=False).returncode:
        pytest.skip("needs Node.js 20.10 or later")
    (code,) = re.findall(r"```javascript\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 20
    program = tmp_path / "client.mjs"
    program.write_text(code)
    command = [node, FLAG, str(program), base.replace("http", "ws") + "v1/stream", str(RECORDING)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    assert len(lines) > 3
    assert lines[-1] == Recognizer(bundled_batches()).transcribe(samples_of(RECORDING)).text


def test_the_metrics_of_the_page_are_those_of_the_server(base):
    names = re.findall(r"deepspeech_recipe_\w+", PAGE.split("## Metrics")[1].split("## ")[0])
    found = ask(base, "metrics").text
    assert len(names) >= 5
    assert [name for name in names if name not in found] == []


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("compose.yaml", r"command: >\n(.*?)\n    ports"), ("deepspeech-recipe.service", r"ExecStart=(.*?)\nLoad")],
)
def test_the_commands_of_the_examples_are_understood(name, pattern):
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    (line,) = re.findall(pattern, text.replace("\\\n", " "), re.DOTALL)
    program, *words = shlex.split(line)
    assert Path(program).name == "deepspeech-recipe"
    found = cli.build_parser().parse_args(words)
    assert (found.command, found.weights) == ("serve", "int8")
    assert found.token_file


def test_ray_has_nothing_but_the_app():
    """Ray itself is tried by ci/serve."""
    code = (ROOT / "examples" / "ray_serve.py").read_text(encoding="utf-8")
    assert "app(MODEL)" in code
