"""The documents: links lead somewhere, commands are ones that exist, generated pages are up to date."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from deepspeech_recipe import cli

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(page: Path) -> list[list[str]]:
    """The lines of the page's sh blocks, split as a shell would."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in links:
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    assert [page.name for page in PAGES if f"{page.name})" not in index] == ["README.md", "index.md"]


def test_commands_of_the_recipe_parse(capsys):
    parser = cli.build_parser()
    found = [words for page in PAGES for words in commands(page) if words[0] == "deepspeech-recipe"]
    assert len(found) >= 3
    for words in found:
        parser.parse_args(words[1 : words.index(">") if ">" in words else None])


def mo_commands() -> list[tuple[str, ...]]:
    """Their arguments, without the model, the plugin, and what `tests.support.mo_run` sets itself; each once."""
    found = [words for page in PAGES for words in commands(page) if words[0] == "mo"]
    for words in found:
        assert words[1:4:2] == ["--input_model", "--extensions"]
        assert words[4] in ("mo_extensions", "$(deepspeech-recipe extensions)")
    arguments = [tuple(word for word in words[5:] if not word.startswith("--compress")) for words in found]
    return list(dict.fromkeys(arguments))


@pytest.mark.requires_mo
@pytest.mark.sampled
@pytest.mark.parametrize("arguments", mo_commands(), ids=" ".join)
def test_commands_of_mo_run(tmp_path, monkeypatch, arguments):
    from tests.support.mo_run import mo

    (tmp_path / "mo_extensions").symlink_to(ROOT / "mo_extensions")
    monkeypatch.chdir(tmp_path)
    arguments = [argument.replace("2048", "160") for argument in arguments]  # the bundled model's LSTM
    model, _ = mo(ROOT / "deepspeech_recipe/data/model/output_graph.pb", *arguments)
    names = set().union(*(output.get_names() for output in model.outputs))
    assert ("mfccs" if "mfccs" in arguments else "logits") in names


def test_scripts_that_are_named_exist():
    names = {words[0] for page in PAGES for words in commands(page) if words[0].startswith("ci/")}
    assert {"ci/demo", "ci/test"} <= names
    assert all((ROOT / name).stat().st_mode & 0o100 for name in names)


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert [name for name in cli.COMMANDS if not re.search(rf"^\| `{name}[ `]", readme, re.MULTILINE)] == []


def test_every_dependency_has_its_reason():
    reasons = (ROOT / "CONTRIBUTING.md").read_text()
    names = set(re.findall(r'"([a-z][a-z0-9-]*)[<>=]=', (ROOT / "pyproject.toml").read_text()))
    assert {"numpy", "openvino-dev", "hypothesis"} <= names
    assert [name for name in sorted(names) if not re.search(rf"^\|.*\b{name}\b.*\|", reasons, re.MULTILINE)] == []


@pytest.mark.anywhere
def test_the_page_of_errors_is_up_to_date():
    assert (ROOT / "docs" / "errors.md").read_text() == script("make_errors").page(), "run: python docs/make_errors.py"


@pytest.mark.parametrize("name", ["graph", "house", "speed"])
def test_the_drawings_are_up_to_date(monkeypatch, name):
    monkeypatch.syspath_prepend(ROOT / "docs")  # where they find `drawing`
    drawn = script(f"draw_{name}").picture()
    assert (ROOT / "docs" / f"{name}.svg").read_text() == drawn, f"run: python docs/draw_{name}.py"


BINARY = {".pb", ".pbmm", ".npz", ".tflite", ".wav", ".csv", ".svg", ".png"}


def test_every_bundled_file_has_its_provenance():
    page = (ROOT / "docs" / "provenance.md").read_text()
    patterns = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    files = [
        path.relative_to(ROOT)
        for folder in ("deepspeech_recipe", "mo_extensions", "tests", "docs", "training", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in BINARY
    ]
    assert files
    for pattern in patterns:
        assert list(ROOT.glob(pattern)), f"{pattern}: nothing of that name"
    listed = {path.relative_to(ROOT) for pattern in patterns for path in ROOT.glob(f"{pattern}/*")}
    listed |= {path.relative_to(ROOT) for pattern in patterns for path in ROOT.glob(pattern)}
    assert [str(path) for path in files if path not in listed] == []
