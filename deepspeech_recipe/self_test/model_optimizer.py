"""Whether `mo` is there and loads the plugin, and whether it would import what lies in the current directory."""

import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deepspeech_recipe.errors import some_of
from deepspeech_recipe.installation import version_of
from deepspeech_recipe.self_test.finding import Finding
from deepspeech_recipe.temporary import temporary_directory

# What Model Optimizer imports from a directory of extensions, and from the current directory.
_SCANNED = ("ops", "analysis", "load/tf", "front", "front/tf", "front/tf/extractors", "middle", "back")
_PLUGIN_LINE = "[ deepspeech-recipe ]"


def findings(graph, directory: Path) -> Iterator[Finding]:
    """graph: a LoadedModel to convert; directory: where mo would be run."""
    from deepspeech_recipe.converters import mo

    works, text = mo.usable()
    if not works:
        # Without openvino-dev nobody expects mo to work; with it, somebody does.
        status = "absent" if version_of("openvino-dev") is None else "problem"
        yield Finding("converter mo", status, text, mo.remedy())
        return
    command = _mo_command()
    if command is None:
        yield Finding(
            "converter mo", "problem", f"{text}, but the command mo was not found",
            "Install openvino-dev again, or add the environment's bin directory to PATH",
        )  # fmt: skip
        return
    yield Finding("converter mo", "ok", f"{text}, {command}")
    yield _plugin(command, graph)
    yield _current_directory(directory)


def _mo_command() -> str | None:
    """The `mo` that a person would run: the one on PATH, else the one beside this Python."""
    return shutil.which("mo") or shutil.which("mo", path=str(Path(sys.executable).parent))


def _plugin(command: str, graph) -> Finding:
    """Runs mo, in an empty directory, with the plugin."""
    from deepspeech_recipe.converters.extensions import extensions

    name = "mo loads the plugin"
    with temporary_directory() as folder:
        graph.write_pb(Path(folder) / "graph.pb")
        empty = Path(folder) / "empty"
        empty.mkdir()
        arguments = ["--input_model", "../graph.pb", "--output_dir", "..", "--extensions", str(extensions())]
        try:
            done = subprocess.run(
                [command, *arguments], cwd=empty, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            )  # fmt: skip
        except OSError as error:
            return Finding(name, "problem", f"{command} cannot be run: {error}", "Install openvino-dev again")
        made = (Path(folder) / "graph.xml").exists()
    said = next((line for line in done.stdout.splitlines() if line.startswith(_PLUGIN_LINE)), None)
    if said and made and done.returncode == 0:
        return Finding(name, "ok", said.removeprefix(_PLUGIN_LINE).strip())
    if said is None:
        return Finding(
            name, "problem", f"it printed no line of the plugin's{_last_words(done)}",
            f"{command} may belong to another Python: install deepspeech-recipe there ({extensions()} was given)",
        )  # fmt: skip
    return Finding(name, "problem", f"the plugin was loaded, but no IR was made{_last_words(done)}")


def _last_words(done) -> str:
    errors = [line.replace("[ ERROR ]", "").strip() for line in done.stdout.splitlines() if "[ ERROR ]" in line]
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    words = next(filter(None, errors), lines[-1] if lines else "")
    return f"; it ended with exit code {done.returncode}: {words}" if done.returncode else ""


def _current_directory(directory: Path) -> Finding:
    """mo imports what lies in ops/, front/, … of the current directory, as if it were an extension."""
    from deepspeech_recipe.converters.extensions import extensions

    name = "current directory"
    found = [
        f"{part}/{module.name}"
        for part in _SCANNED
        for module in pkgutil.iter_modules([str(directory / part)])
    ]  # fmt: skip
    if not found or directory.resolve() == extensions():
        return Finding(name, "ok", f"mo finds nothing to import in {directory}")
    return Finding(
        name, "problem", f"mo takes {directory} for a directory of extensions and imports {some_of(found, 3)}",
        "Run mo from another directory",
    )  # fmt: skip
