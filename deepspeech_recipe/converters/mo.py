"""TensorFlow graph → IR by the real `mo` with the plugin, as a child process."""

import json
import os
import subprocess
import sys
from pathlib import Path

from deepspeech_recipe.converters.extensions import extensions
from deepspeech_recipe.converters.mo_options import ID
from deepspeech_recipe.converters.request import check_request, size_of
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.installation import tensorflow, then, unavailable, version_of
from deepspeech_recipe.ir.options import PLUGIN, Options
from deepspeech_recipe.recipes.acoustic_model import AcousticModel
from deepspeech_recipe.temporary import temporary_directory

NAME = "mo"
# The first versions that are too new for mo 2024.6.
_TOO_NEW = {"openvino": (2025,), "TensorFlow": (2, 18), "numpy": (2,)}
# What mo adds to every error.
_BOILERPLATE = ("For more information please refer", "Run Model Optimizer with --log_level")


def usable() -> tuple[bool, str]:
    """Whether `mo` can run here, and its version; else why not. Nothing is loaded."""
    version = version_of("openvino-dev")
    if version is None:
        missing = "Model Optimizer (openvino-dev) is not installed"
        return False, ": ".join(filter(None, [missing, unavailable("openvino-dev")]))
    tf = tensorflow()
    if not tf.usable:
        return False, f"Model Optimizer needs TensorFlow, which {tf.problem}"
    for package, limit in _TOO_NEW.items():
        installed = tf.version if package == "TensorFlow" else version_of(package)
        if installed is None:
            return False, f"Model Optimizer needs {package}, which is not installed"
        if installed and _numbers(installed) >= limit:  # of a TensorFlow that was built from source it is not known
            below = ".".join(map(str, limit))
            return False, f"Model Optimizer needs {package} below {below}, and {installed} is installed"
    return True, f"openvino-dev {version}"


def remedy() -> str:
    """What to do if `mo` is not usable; no full stop at the end."""
    if unavailable("openvino-dev"):
        return "To install it, use one of those Pythons"
    tf = tensorflow()
    install = f"pip install openvino-dev==2024.6.0 '{tf.name}<2.18' 'numpy<2'"
    return f"To install it: {then(tf.clear, install)}"


def require() -> None:
    """Raises RecipeError if `mo` is not usable."""
    works, reason = usable()
    if not works:
        raise RecipeError(f"The converter mo cannot be used: {reason}. {remedy()}; or use the converter openvino.")


def convert(graph: Path, output: Path, model: AcousticModel | None, asked: Options) -> tuple[Path, list[str]]:
    """Runs mo on a .pb file and returns (the IR's .xml in the directory `output`, the plugin's lines).

    model: what the graph was recognised as; None for a graph that gets the general passes, and of the options the
    state only.
    Weights stay FP32. Raises RecipeError, with mo's own words, if it fails.
    """
    require()
    asked.check()
    if model is not None:
        check_request(asked, model)
    arguments = options(model, asked, output)
    with temporary_directory() as empty:
        # mo takes what it finds in the current directory for extensions, so that one is empty.
        printed = run(
            ["--input_model", str(Path(graph).resolve()), "--output_dir", str(Path(output).resolve()), *arguments],
            empty,
        )
    written = list(Path(output).glob("*.xml"))
    if len(written) != 1:
        raise RecipeError(f"mo reported success, but wrote {len(written)} IRs instead of one.")
    return written[0], [line for line in printed.splitlines() if line.startswith("[ deepspeech-recipe ]")]


def run(arguments: list[str], directory: str | os.PathLike) -> str:
    """Runs `mo` with the plugin in a directory; returns what it printed. Raises RecipeError if it fails."""
    command = [sys.executable, "-m", "openvino.tools.mo", "--extensions", str(extensions()), *arguments]
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RecipeError(f"mo failed: {_reason(done.stdout, done.returncode)}")
    return done.stdout


def options(model: AcousticModel | None, asked: Options, folder: Path) -> list[str]:
    """What to type for a request; the plugin's own options go to a file in `folder`."""
    arguments = ["--compress_to_fp16=False"]
    if model is not None and (asked.time_steps is not None or asked.batch is not None):
        batch, steps = size_of(asked, "batch", model) or -1, size_of(asked, "time_steps", model) or -1
        shape = ["?" if size < 0 else size for size in model.windows_shape(batch, steps)]
        arguments += ["--input", f"{model.windows.node}[{' '.join(map(str, shape))}]"]
    plugin = {name: getattr(asked, name) for name in PLUGIN if getattr(asked, name) is not None}
    path = Path(folder).resolve() / "transformations_config.json"
    path.write_text(json.dumps([{"id": ID, "match_kind": "general", "custom_attributes": plugin}]))
    return [*arguments, "--transformations_config", str(path)]


def _reason(printed: str, code: int) -> str:
    errors = [line.replace("[ ERROR ]", "").strip() for line in printed.splitlines() if "[ ERROR ]" in line]
    errors = [line for line in errors if line and not line.startswith(_BOILERPLATE)]
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return " ".join(errors) or f"exit code {code}; its last words were: {lines[-1] if lines else 'none'}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
