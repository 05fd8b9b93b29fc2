"""Which TensorFlow is there, and does it work: every state that packages which share one folder can be left in."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deepspeech_recipe import convert, installation
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.installation import NoTensorFlow, TensorFlow, tensorflow
from deepspeech_recipe.verification import tensorflow_session
from tests.support import contract

try:
    import tomllib
except ImportError:  # Python 3.10, where pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
# The files of a package whose contents, here their sizes, differ between versions.
FILES = (
    "__init__.py",
    "libtensorflow_cc.so.2",
    "libtensorflow_framework.so.2",
    "python/_pywrap_tensorflow_internal.so",
)


class Site:
    """A directory of installed packages, in which pip's steps are done by hand."""

    def __init__(self, path: Path):
        self.path = path

    def install(self, name: str, version: str, *, record: bool = True, files=FILES) -> None:
        """Writes over what is there, as pip does; every version has sizes of its own."""
        size = sum(map(int, re.findall(r"\d+", version))) + len(name)
        lines = []
        for file in files:
            path = self.path / "tensorflow" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * size)
            lines.append(f"tensorflow/{file},sha256=0,{size}")
        self.describe(name, version, *(["\r\n".join(lines) + "\r\n"] if record else []))

    def describe(self, name: str, version: str, *record: str) -> None:
        folder = self.path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        for text in record:
            (folder / "RECORD").write_text(text, newline="")

    def uninstall(self, name: str) -> None:
        """Removes the files that the package brought, whoever wrote over them."""
        (folder,) = self.path.glob(f"{name.replace('-', '_')}-*.dist-info")
        for line in (folder / "RECORD").read_text().splitlines():
            (self.path / line.split(",")[0]).unlink(missing_ok=True)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    def found(self) -> TensorFlow:
        return tensorflow([str(self.path)])


@pytest.fixture
def site(tmp_path) -> Site:
    return Site(tmp_path / "site-packages")


def test_without_tensorflow_the_remedy_is_named(site):
    site.path.mkdir()
    found = site.found()
    assert (found.usable, found.absent, found.problem) == (False, True, "is not installed")
    assert found.remedy == "pip install tensorflow-cpu"


@pytest.mark.parametrize("name", ["tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly", "tensorflow-rocm"])
def test_one_package_is_usable_and_named(site, name):
    site.install(name, "2.19.0")
    found = site.found()
    assert found.usable
    assert found.version == "2.19.0"
    assert str(found) == f"2.19.0 (package {name})"
    assert found.clear == ""


def test_a_package_that_only_requires_the_one_with_the_files(site):
    """`tensorflow` on Windows."""
    site.describe("tensorflow", "2.17.0", "tensorflow-2.17.0.dist-info/METADATA,,\n")
    site.install("tensorflow-intel", "2.17.0")
    assert site.found().usable
    assert list(site.found().packages) == ["tensorflow-intel"]


def test_a_package_without_a_list_of_its_files(site):
    """As some distributions' own packages are."""
    site.install("tensorflow", "2.16.1", record=False)
    assert site.found().version == "2.16.1"
    (site.path / "tensorflow" / "__init__.py").unlink()
    assert "is incomplete" in site.found().problem


def test_a_build_without_a_package(site):
    (site.path / "tensorflow").mkdir(parents=True)
    (site.path / "tensorflow" / "__init__.py").touch()
    assert site.found().usable
    assert str(site.found()) == "of an unknown version"


@pytest.mark.parametrize(("first", "last"), [("tensorflow", "tensorflow-cpu"), ("tensorflow-cpu", "tensorflow")])
def test_of_two_packages_the_one_whose_files_lie_there_counts(site, first, last):
    site.install(first, "2.20.0")
    site.install(last, "2.17.1")
    found = site.found()
    assert (found.usable, found.version) == (True, "2.17.1")
    assert list(found.packages.items()) == [(last, "2.17.1"), (first, "2.20.0")]
    assert found.remedy == "pip uninstall -y tensorflow tensorflow-cpu, then pip install tensorflow-cpu"


def test_two_packages_of_one_version(site):
    site.install("tensorflow", "2.17.1")
    site.install("tensorflow-cpu", "2.17.1")
    assert site.found().version == "2.17.1"


def test_files_of_several_packages_are_not_usable(site):
    """An update of one that was interrupted, or installed with files of both."""
    site.install("tensorflow", "2.20.0")
    site.install("tensorflow-cpu", "2.17.1", files=(*FILES[:2], *FILES[3:]))
    (site.path / "tensorflow" / FILES[3]).write_bytes(b"of a third")
    found = site.found()
    assert not found.usable
    assert found.problem == (
        "is a mixture of tensorflow 2.20.0 and tensorflow-cpu 2.17.1, whose files lie in one folder"
    )
    assert found.remedy.startswith("pip uninstall -y tensorflow tensorflow-cpu, then pip install ")


@pytest.mark.parametrize(("stays", "goes"), [("tensorflow", "tensorflow-cpu"), ("tensorflow-cpu", "tensorflow")])
def test_one_of_two_uninstalled_breaks_the_other(site, stays, goes):
    site.install(stays, "2.20.0", files=(*FILES, "compiler/other.py"))
    site.install(goes, "2.17.1")
    site.uninstall(goes)
    found = site.found()
    assert (found.usable, found.absent) == (False, False)
    assert f"is incomplete: files of {stays} 2.20.0 are missing in {site.path / 'tensorflow'}" in found.problem
    assert found.remedy == f"pip uninstall -y {stays}, then pip install {stays}"


def test_a_folder_that_is_left_over(site):
    """Python imports it, and nothing is in it."""
    site.install("tensorflow", "2.20.0", files=(*FILES, "compiler/other.py"))
    site.uninstall("tensorflow")
    (site.path / "tensorflow" / "compiler" / "cache").mkdir()
    found = site.found()
    assert (found.usable, found.absent) == (False, False)
    assert f"what uninstalled ones have left in {site.path / 'tensorflow'} looks like it" in found.problem
    assert found.remedy == "pip install tensorflow-cpu"


def test_a_folder_of_that_name_elsewhere_is_somebodys_own(tmp_path):
    (tmp_path / "tensorflow" / "my-models").mkdir(parents=True)
    assert tensorflow([str(tmp_path)]).absent


@pytest.mark.parametrize("name", ["tensorflow", "tensorflow-cpu"])
def test_beside_model_optimizer_a_remedy_suits_it(site, name):
    site.describe("openvino-dev", "2024.6.0")
    site.install(name, "2.20.0")
    assert site.found().remedy == f"pip install '{name}<2.18'"


def test_nothing_is_imported():
    program = "import sys; from deepspeech_recipe import installation; installation.tensorflow(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"tensorflow", "openvino", "numpy"} & {*done.stdout.split()}


def test_the_table_of_optional_packages_is_that_of_the_extras():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {
        (re.split(r"[<>=;[]", need)[0], extra): "python_version <" in need and int(need.split("'3.")[1].rstrip("'"))
        for extra, needs in extras.items() if extra != "dev" for need in needs
    }  # fmt: skip
    assert {(each.package, each.extra) for each in installation.OPTIONAL} == set(wanted)
    own = {re.split(r"[<>=;[]", need)[0] for need in extras["dev"]} - {each.package for each in installation.OPTIONAL}
    assert set(installation.DEVELOPMENT) == own
    for each in installation.OPTIONAL:
        first_without = wanted[each.package, each.extra]
        if each.package not in ("tensorflow-cpu", "fastjsonschema"):  # left out there because mo is
            assert each.newest == ((3, first_without - 1) if first_without else None)


@pytest.fixture
def python_3_13(monkeypatch):
    """This Python says that it is 3.13, and has none of what the extras leave out there."""
    monkeypatch.setattr(installation.sys, "version_info", (3, 13, 0, "final", 0))
    monkeypatch.setattr("deepspeech_recipe.converters.mo.version_of", lambda package: None)


def test_what_an_extra_leaves_out_is_said_with_the_python(python_3_13, tmp_path):
    path = contract.case("v0.9").path
    with pytest.raises(RecipeError) as refused:
        convert(path, tmp_path / "out", converter="mo")
    assert str(refused.value) == (
        "The converter mo cannot be used: Model Optimizer (openvino-dev) is not installed: this is Python 3.13, and "
        "openvino-dev can be had for Python 3.10 to 3.12 only. To install it, use one of those Pythons; or use the "
        "converter openvino."
    )


BROKEN = TensorFlow("", {"tensorflow": "2.20.0"}, "is incomplete: files of tensorflow 2.20.0 are missing in …")


def test_a_broken_one_does_not_stop_a_conversion_and_is_said(monkeypatch, tmp_path):
    for module in ("conversion.convert", "verification.tensorflow_session"):
        monkeypatch.setattr(sys.modules[f"deepspeech_recipe.{module}"], "tensorflow", lambda: BROKEN)
    monkeypatch.setattr(tensorflow_session._Process, "_one", None)
    path = contract.case("v0.9").path
    result = convert(path, tmp_path / "out", converter="openvino")
    assert result.verification is None
    assert result.notes[-1] == (
        f"not compared with the original: TensorFlow {BROKEN.problem}. pip uninstall -y tensorflow, then pip install "
        "tensorflow"
    )
    # What was asked for is done by another reference.
    assert convert(path, tmp_path / "out", converter="openvino", verify=True).verification.passed


@pytest.mark.requires_tf
def test_one_that_cannot_be_loaded_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('numpy.core failed to import')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(tensorflow_session._Process, "_one", None)
    with pytest.raises(NoTensorFlow) as refused:
        tensorflow_session.load_tensorflow()
    line = str(refused.value)
    assert line.startswith("TensorFlow 2.")
    assert "cannot be loaded (the worker ended with exit code 1: ImportError: numpy.core failed to import)" in line
    assert "pip install --force-reinstall" in line
    result = convert(contract.case("v0.9").path, tmp_path / "out", converter="openvino")
    assert result.verification.passed
    assert result.verification.reference.startswith("OpenVINO's own TensorFlow frontend")
