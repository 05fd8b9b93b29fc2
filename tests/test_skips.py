"""The rule on skipped tests, on a small suite in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.skips import is_listed, read_list

pytestmark = pytest.mark.anywhere

CONFTEST = """
import tests.support.skips as skips

skips.read_list = lambda text: [("*", "*test_a.py::test_listed", "no moon")]

def pytest_configure(config):
    config.pluginmanager.register(skips.Skips(config))
"""
LISTED = "import pytest\n\ndef test_listed():\n    pytest.skip('no moon')\n\ndef test_runs():\n    pass\n"
UNLISTED = LISTED + "\ndef test_other():\n    pytest.skip('no sun')\n"
MODULE = "import pytest\npytest.importorskip('surely_absent_module')\n"


def _run(folder, text):
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_a.py").write_text(text)
    paths = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, cwd=folder, capture_output=True, text=True
    )


def test_listed_skip_passes(tmp_path):
    assert _run(tmp_path, LISTED).returncode == 0


def test_unlisted_skip_fails_and_is_printed(tmp_path):
    result = _run(tmp_path, UNLISTED)
    assert result.returncode == 1
    assert "test_a.py::test_other: no sun" in result.stdout
    assert "test_a.py::test_listed: no moon" not in result.stdout


def test_unlisted_skip_of_a_module_fails(tmp_path):
    result = _run(tmp_path, MODULE)
    assert result.returncode != 0
    assert "surely_absent_module" in result.stdout


def test_lines_of_the_list():
    rows = read_list("# comment\n\ncurrent | tests/* | needs *  # why\n")
    assert is_listed(rows, "current", "tests/test_a.py::test_b", "needs TensorFlow")
    assert not is_listed(rows, "mo", "tests/test_a.py::test_b", "needs TensorFlow")
    assert not is_listed(rows, "current", "tests/test_a.py::test_b", "tired")
    with pytest.raises(ValueError, match="line 1"):
        read_list("current | tests/*")
