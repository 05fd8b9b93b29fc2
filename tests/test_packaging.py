"""Ways to the plugin besides a checkout: an installed wheel, both directories copied somewhere; with the real `mo`."""

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMAND = (Path(sys.executable).with_name("mo"),)
PACKAGES = ("deepspeech_recipe", "mo_extensions")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def run(*command, cwd, path=()) -> str:
    """Runs a command in `cwd` with nothing but `path` on PYTHONPATH; returns what it printed."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path:
        env["PYTHONPATH"] = os.pathsep.join(map(str, path))
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def mo(graph, extensions, folder, *, command=COMMAND, **options):
    """Runs the real `mo` from `folder`; returns the metadata of the IR."""
    import openvino as ov

    from deepspeech_recipe.ir.metadata import read_metadata

    printed = run(*command, "--input_model", graph, "--extensions", extensions, "-o", folder, cwd=folder, **options)
    assert "DeepSpeech v0.7 to v0.9 or Coqui STT" in printed
    model = ov.Core().read_model(folder / f"{graph.stem}.xml")
    assert [node.get_type_name() for node in model.get_ops()].count("LSTMSequence") == 1
    return read_metadata(model)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what makes the package, to build in."""
    source = tmp_path_factory.mktemp("source")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=_LEFT_OUT)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    # Directories that lie beside the packages in a checkout do not belong into the wheel.
    for name in ("tests", "training", "docs"):
        (source / name).mkdir()
        (source / name / "__init__.py").touch()
    return source


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    """Built as `pip install .` builds it, without the network."""
    out = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-build-isolation", "--no-deps")
    run(*pip, "--wheel-dir", out, source, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel installed into a directory of its own."""
    target = tmp_path_factory.mktemp("site")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, "--target", target, wheel, cwd=target)
    return target


@pytest.mark.anywhere
def test_the_wheel_holds_both_packages_whole_and_nothing_else(source, wheel):
    files = (path for package in PACKAGES for path in (source / package).rglob("*") if path.is_file())
    names = set(zipfile.ZipFile(wheel).namelist())
    metadata = {name for name in names if ".dist-info/" in name}
    assert names - metadata == {path.relative_to(source).as_posix() for path in files}
    assert "deepspeech_recipe/py.typed" in names, "type checkers would not read the annotations"
    assert {"mo_extensions/internal_state.json", "deepspeech_recipe/data/model/output_graph.pb"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in metadata)


# A link or a picture of Markdown: its address.
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read_description(wheel) -> str:
    """What a package index shows: the body of the wheel's metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        message = email.message_from_bytes(archive.read(name))
    assert message["Description-Content-Type"].startswith("text/markdown")
    return message.get_payload(decode=True).decode()


@pytest.mark.anywhere
def test_links_of_the_description_lead_somewhere_outside_of_the_repository(wheel):
    """Where nothing of the repository lies; without an address of it, what was a link is its text."""
    description, readme = read_description(wheel), (ROOT / "README.md").read_text()
    assert [link for link in LINK.findall(description) if not re.match(r"\w+:|#", link)] == []
    assert description.split()[:10] == readme.split()[:10]
    assert "[accuracy](docs/accuracy.md)" in readme
    assert "(accuracy)" in description


@pytest.mark.anywhere
def test_links_of_the_description_lead_to_the_repository_if_it_has_an_address(source, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("deepspeech_recipe", "mo_extensions"))
    for name in PACKAGES:
        (copy / name).mkdir()
        shutil.copy(ROOT / "deepspeech_recipe" / "__init__.py", copy / name)
    project = (copy / "pyproject.toml").read_text()
    urls = '[project.urls]\nRepository = "https://example.org/team/project"\n\n[project.scripts]'
    (copy / "pyproject.toml").write_text(project.replace("[project.scripts]", urls))
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-build-isolation", "--no-deps")
    run(*pip, "--wheel-dir", tmp_path, copy, cwd=tmp_path)
    (built,) = tmp_path.glob("*.whl")
    readme = (ROOT / "README.md").read_text()
    links = {link for link in LINK.findall(read_description(built)) if "example.org" in link}
    assert {link.split("/main/")[1] for link in links} == {
        link for link in LINK.findall(readme) if not re.match(r"\w+:|#", link)
    }
    assert "https://example.org/team/project/raw/main/docs/speed.svg" in links
    assert "https://example.org/team/project/blob/main/docs/accuracy.md" in links


def test_the_installed_command_runs(installed, tmp_path):
    command = installed / "bin" / "deepspeech-recipe"
    assert run(command, "extensions", cwd=tmp_path, path=[installed]).strip() == str(installed / "mo_extensions")


@pytest.mark.long
@pytest.mark.requires_mo
def test_mo_with_the_installed_package(graph_file, installed, tmp_path):
    command = installed / "bin" / "deepspeech-recipe"
    extensions = run(command, "extensions", cwd=tmp_path, path=[installed]).strip()
    metadata = mo(graph_file("0.9"), extensions, tmp_path, path=[installed])
    assert metadata["converter"].startswith("mo")


@pytest.mark.long
@pytest.mark.requires_mo
def test_mo_with_a_copy_of_both_directories(graph_file, tmp_path):
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / "copy" / name, ignore=_LEFT_OUT)
    front = tmp_path / "copy/deepspeech_recipe/__init__.py"
    front.write_text(re.sub(r'__version__ = "[^"]*"', '__version__ = "9.9.9"', front.read_text()))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    module = (sys.executable, "-m", "openvino.tools.mo")  # the other way to call it
    metadata = mo(graph_file("0.9"), tmp_path / "copy" / "mo_extensions", folder, command=module)
    assert metadata["recipe_version"] == "9.9.9"


@pytest.mark.long
@pytest.mark.requires_mo
def test_mo_with_a_copy_of_the_plugin_alone(graph_file, installed, tmp_path):
    """The package as it is installed, or else one line that says what is missing."""
    plugin = tmp_path / "copy" / "mo_extensions"
    shutil.copytree(ROOT / "mo_extensions", plugin, ignore=_LEFT_OUT)
    (tmp_path / "copy" / "deepspeech_recipe").mkdir()  # somebody's results
    line = refusal(graph_file("0.9"), plugin, tmp_path)
    assert f"The plugin in {plugin} needs the package deepspeech_recipe" in line
    assert "Copy the directory deepspeech_recipe beside it" in line
    assert mo(graph_file("0.9"), plugin, tmp_path, path=[installed])["converter"].startswith("mo")


@pytest.mark.long
@pytest.mark.requires_mo
def test_mo_with_another_package_of_that_name(graph_file, tmp_path):
    plugin, package = tmp_path / "mo_extensions", tmp_path / "deepspeech_recipe"
    shutil.copytree(ROOT / "mo_extensions", plugin, ignore=_LEFT_OUT)
    package.mkdir()
    (package / "__init__.py").touch()
    line = refusal(graph_file("0.9"), plugin, tmp_path)
    assert f"The package in {package} is not the one that the plugin in {plugin} needs" in line
    assert "Take both from one release" in line


def refusal(graph, extensions, folder) -> str:
    """What the real `mo` says when it gives up."""
    command = [*COMMAND, "--input_model", graph, "--extensions", extensions]
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "[ ERROR ]" in line]
    return line
