"""Who takes part: a name, how its file is made, what runs it. Another contender is another line."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import models
from benchmarks.models import CannotMake
from deepspeech_recipe.benchmarking.contenders import PACKAGE, WORKERS, Contender

DOCUMENTED, LOOP, PLUGIN = "documented IR", "default-frontend IR", "mo --extensions"
FP32, INT8 = "convert fp32", "convert int8"
INT8_EXACT = "convert int8, activations fp32"
INT8_OPEN = "convert int8, steps open"
TENSORFLOW, DEEPSPEECH, STT = "TensorFlow", "deepspeech 0.9.3", "stt 1.4.0, int8"
INT8_GATHERED = "convert int8, streams gathered"
GLIBC_HUGE_PAGES = "glibc.malloc.hugetlb=1"
WITH_NEWEST, WITH_HUGE_PAGES = "newest OpenVINO", "huge pages"
# What runs a file, beside the package's own workers, whose modules these import.
WORKERS_HERE = {name: str(Path(__file__).with_name("workers") / f"run_{name}.py") for name in ("ir", "client")}
NEWEST, HUGE_PAGES = f", {WITH_NEWEST}", f", {WITH_HUGE_PAGES}"


@dataclass(frozen=True)
class Pythons:
    """Interpreters of the environments; None if there is none. main: has this project's needs."""

    main: Path
    mo: Path | None = None
    current: Path | None = None
    deepspeech: Path | None = None
    stt: Path | None = None
    exporter: Path | None = None


@dataclass(frozen=True)
class Recipe:
    """make: (pythons, pb, path, hidden) writes the file. python: the environment that runs it; needs: others that
    make it. made: the report's words for it."""

    name: str
    suffix: str
    make: Callable
    made: str
    python: str = "main"
    needs: tuple[str, ...] = ()
    worker: str = "ir"
    arguments: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)
    file: str = ""  # whose file it is, of several recipes with the same one
    ours: bool = False  # this project's: made anew in each run, for the code that makes it changes
    environment: dict = field(default_factory=dict)
    group: str = ""  # what it is compared within, if not the usual: the end of its name

    def contender(self, pythons: Pythons, folder: Path, hidden: int, *, again: bool = True) -> Contender:
        """Makes the file if it is not there yet; again: or if it is `ours`. Raises CannotMake."""
        for name in (self.python, *self.needs):
            if getattr(pythons, name) is None:
                raise CannotMake(f"there is no Python for it (--{name})")
        pb = models.made(folder / f"h{hidden}" / "graph.pb", lambda path: models.frozen_graph(path, hidden))
        name = models.file_name(self.file or self.name, self.suffix)
        again = again and self.ours and not self.file
        path = models.made(pb.parent / name, lambda path: self.make(pythons, pb, path, hidden), again=again)
        options = dict(self.options)
        worker = WORKERS_HERE.get(self.worker, self.worker)
        environment = {**self.environment, "PYTHONPATH": str(WORKERS)}
        if self.worker == "ir":
            options = {"package": str(PACKAGE), "metadata": _metadata(), **options}
        python = getattr(pythons, self.python)
        return Contender(
            self.name, path, worker, python, self.arguments, options, self.made, environment,
            ours=self.ours, group=self.group,
        )  # fmt: skip


def _metadata() -> str:
    """For IRs that somebody else's converter made: what the runtime has to know."""
    return json.dumps(models.metadata())


def _mo(form: str) -> Callable:
    return lambda pythons, pb, path, hidden: models.mo(pythons.mo, pb, path, hidden, form)


def _convert(*options: str) -> Callable:
    return lambda pythons, pb, path, hidden: models.convert(pythons.main, pb, path, "--converter", "openvino", *options)


def _newest(recipe: Recipe) -> Recipe:
    needs = (*recipe.needs, recipe.python)
    name, file = recipe.name + NEWEST, recipe.name
    return replace(recipe, name=name, python="current", file=file, needs=needs, group=WITH_NEWEST)


ALL = [
    Recipe(
        TENSORFLOW, ".pb", lambda pythons, pb, path, hidden: path.hardlink_to(pb), "the graph itself",
        python="mo", worker="tensorflow", options={"labels": models.LABELS},
    ),
    Recipe(DOCUMENTED, ".xml", _mo("legacy"), "`mo --use_legacy_frontend`, every name typed", "mo"),
    Recipe(LOOP, ".xml", _mo("default"), "`mo`, every name typed", "mo"),
    Recipe(PLUGIN, ".xml", _mo("plugin"), "`mo --extensions`", "mo", ours=True),
    Recipe(FP32, ".xml", _convert("--weights", "fp32"), "`convert --weights fp32`", ours=True),
    Recipe(INT8, ".xml", _convert("--weights", "int8"), "`convert --weights int8`", ours=True),
    Recipe(
        INT8_EXACT, ".xml", _convert("--weights", "int8", "--activations", "fp32"),
        "`convert --weights int8 --activations fp32`", ours=True,
    ),
    Recipe(
        INT8_OPEN, ".xml", _convert("--weights", "int8", "--time-steps", "dynamic"),
        "`convert --weights int8 --time-steps dynamic`", ours=True,
    ),
    Recipe(
        INT8_GATHERED, ".xml", _convert("--weights", "int8", "--batch", "dynamic"),
        "`convert --weights int8 --batch dynamic`, `Recognizer(max_batch=8)`", ours=True,
        options={"recognizer": {"max_batch": 8}},
    ),
    Recipe(DEEPSPEECH, ".pbmm", lambda pythons, pb, path, hidden: models.memory_mapped(path, pb),
           "Mozilla's client, `.pbmm`", "deepspeech", worker="client", arguments=("deepspeech",)),
    Recipe(STT, ".tflite", lambda pythons, pb, path, hidden: models.tensorflow_lite(pythons.exporter, path, hidden),
           "Coqui's client, `.tflite` of its exporter", "stt", ("exporter",), "client", ("stt",)),
]  # fmt: skip
ALL += [
    replace(
        recipe,
        name=recipe.name + HUGE_PAGES,
        file=recipe.name,
        environment={"GLIBC_TUNABLES": GLIBC_HUGE_PAGES},
        made=f"{recipe.made}, run with `GLIBC_TUNABLES={GLIBC_HUGE_PAGES}`",
        group=WITH_HUGE_PAGES,
    )
    for recipe in ALL
    if recipe.name in (DOCUMENTED, FP32, INT8)
]
ALL += [_newest(recipe) for recipe in ALL if recipe.name in (DOCUMENTED, FP32, INT8)]

# Who takes part where. The slowest are left out if a minute of audio takes half a minute of each round.
UTTERANCE = (DOCUMENTED, FP32, FP32 + HUGE_PAGES, INT8, INT8_OPEN, DEEPSPEECH, STT, INT8 + NEWEST)
STREAMS = (DOCUMENTED, FP32, INT8, INT8_EXACT, INT8 + NEWEST)
LIVE = (INT8, INT8_GATHERED)
LENGTH = (DOCUMENTED, INT8, INT8_OPEN)
LONGEST = (INT8_OPEN,)
START = (TENSORFLOW, DOCUMENTED, FP32, INT8, INT8_OPEN, DEEPSPEECH, STT, INT8 + NEWEST)
SIZE = (DOCUMENTED, FP32, INT8)
NO_CHUNK = (DEEPSPEECH, STT, INT8_GATHERED)
