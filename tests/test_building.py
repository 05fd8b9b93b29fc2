"""setup.py with every setuptools that people have, and what a source distribution holds."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

try:
    import tomllib
except ImportError:  # Python 3.10, where pytest brings it
    import tomli as tomllib

pytestmark = pytest.mark.anywhere

ROOT = Path(__file__).parent.parent
SETUP = ROOT / "setup.py"
BUILT = r"""
__version__ = {version!r}
def setup(**_):
    print("built")
"""


def setup_py(*before, path=None, cwd=ROOT, arguments=("bdist_wheel",)):
    """Runs setup.py behind the lines `before`, with what lies in `path` before what is installed."""
    program = "\n".join([
        "import runpy, sys",
        f"sys.path.insert(0, {str(path)!r})" if path else "",
        *before,
        f"sys.argv = ['setup.py', {', '.join(map(repr, arguments))}]",
        f"runpy.run_path({str(SETUP)!r}, run_name='__main__')",
    ])  # fmt: skip
    return subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def stand_in(tmp_path):
    """`stand_in(version)`: a directory with a setuptools of that version, which builds nothing."""

    def make(version: str) -> Path:
        (tmp_path / "setuptools.py").write_text(BUILT.format(version=version))
        return tmp_path

    return make


@pytest.mark.parametrize("version", ["40.8.0", "65.5.0", "76.1.0"])
def test_an_old_setuptools_is_one_line(version, stand_in):
    done = setup_py(path=stand_in(version))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"Building deepspeech-recipe needs setuptools 77 or later, and this is {version}: python -m pip install "
        '--upgrade setuptools, or let pip bring its own by "python -m pip install .".'
    ]


@pytest.mark.parametrize("version", ["77.0.1", "80.10.2", "84.2.1.dev0", "100.0"])
def test_a_newer_setuptools_builds(version, stand_in):
    done = setup_py(path=stand_in(version))
    assert (done.returncode, done.stdout, done.stderr) == (0, "built\n", "")


def test_no_setuptools_is_one_line(tmp_path):
    """Python 3.12 and later bring none."""
    (tmp_path / "setuptools.py").write_text("raise ModuleNotFoundError('No module named setuptools')")
    done = setup_py(path=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Building deepspeech-recipe needs setuptools, which is not installed: python -m pip")
    assert len(done.stderr.splitlines()) == 1


def test_an_old_python_is_one_line():
    """Before anything else: the setuptools of an old Python cannot be brought up to date."""
    done = setup_py("sys.version_info = (3, 9, 18, 'final', 0)")
    assert done.returncode == 1
    assert done.stderr == "deepspeech-recipe needs Python 3.10 or later, and this is 3.9.18.\n"


def test_the_version_of_setuptools_stands_in_three_places():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["build-system"]["requires"] == ["setuptools>=77"]
    assert "setuptools>=77" in project["project"]["optional-dependencies"]["dev"]
    assert "NEEDED = 77 " in SETUP.read_text()


def test_the_source_distribution_is_the_repository(tmp_path):
    """Every file of the repository but those that say how to store and run it; nothing that a run left behind."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout of git")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    source = tmp_path / "source"
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for place in ("tests", "deepspeech_recipe/cli", "docs", "ci"):
        (source / place / "__pycache__").mkdir()
        (source / place / "__pycache__" / "left.cpython-312.pyc").write_bytes(b"left behind")
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "sdist"], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # Each line of MANIFEST.in, and of pyproject.toml's package-data, finds something.
    assert not [line for line in done.stderr.splitlines() if line.startswith("warning: no ")]
    (archive,) = (source / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        found = {member.name.partition("/")[2] for member in tar.getmembers() if member.isfile()}
    generated = {name for name in found if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert found - generated == {name for name in files if name != ".gitignore" and not name.startswith(".ci/")}
