"""Who takes part: a model file, and the worker that runs it."""

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from deepspeech_recipe.ir.options import Precision

PACKAGE = Path(__file__).resolve().parents[2]
WORKERS = Path(__file__).with_name("workers")
PROGRAMS = {name: WORKERS / f"run_{name}.py" for name in ("openvino", "tensorflow")}


@dataclass(frozen=True)
class Contender:
    """A model file and what runs it.

    worker: one of PROGRAMS, or the path of a program that speaks their protocol; arguments: after the number of
    threads. options: what its command `load` gets besides the model. made: how the file was made, for the report.
    environment: variables for its process. ours: made by this project. group: what it is compared within, if that
    is not the usual case ("huge pages"); the name ends in it.
    """

    name: str
    model: Path
    worker: str = "openvino"
    python: Path = Path(sys.executable)
    arguments: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)
    made: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    ours: bool = False
    group: str = ""

    @property
    def disk_bytes(self) -> int:
        """The weights beside an IR included."""
        paths = {self.model, self.model.with_suffix(".bin")} if self.model.suffix == ".xml" else {self.model}
        return sum(path.stat().st_size for path in paths if path.exists())

    def as_dict(self) -> dict:
        """JSON values, without paths: they say nothing elsewhere."""
        said = {name: getattr(self, name) for name in ("name", "made", "ours", "group", "disk_bytes")}
        return {**said, "worker": Path(self.worker).stem.removeprefix("run_")}

    def in_python(self, python: str | os.PathLike, version: str) -> "Contender":
        """The same file in another environment."""
        return replace(self, name=f"{self.name}, {version}", python=Path(python), group=version)

    def in_precision(self, precision: Precision) -> "Contender":
        """The same file, computed in another precision."""
        return replace(self, name=f"{self.name}, {precision}", options={**self.options, "precision": precision})


def ir_contender(
    path: str | os.PathLike, name: str | None = None, *, device: str = "CPU", ours: bool = True, **more
) -> Contender:
    """An IR of the contract. Raises RecipeError if it is another one."""
    from deepspeech_recipe.ir.form import AcousticIR

    ir = AcousticIR(path)
    ir.check_sizes()
    options: dict = {"device": device, "package": str(PACKAGE)}
    if ir.input_kind == "stream" and ir.audio is not None:
        options["chunk_samples"] = 16 * ir.audio.stride
    return Contender(name or Path(path).stem, Path(path), options=options, ours=ours, **more)
