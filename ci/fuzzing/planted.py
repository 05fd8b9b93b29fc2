"""A reader with one fault of every kind, so that the harness can be seen to find them all."""

import os
import time
from pathlib import Path
from random import Random

from ci.fuzzing.reader import Input, Reader
from deepspeech_recipe.errors import RecipeError

FAULTS = (
    *("accepted", "refused", "traceback", "memory error", "signal", "hang", "memory", "prints", "writes beside"),
    *("writes at home", "leaves a temporary file", "names nothing", "two lines", "exits", "runs a program"),
)


def _make(random: Random) -> Input:
    return Input({"planted.bin": random.choice(FAULTS).encode()}, "planted.bin")


def _read(path: Path, out: Path) -> None:
    import tempfile

    fault = path.read_text()
    if fault == "refused":
        raise RecipeError(f"{path}: refused.")
    if fault == "traceback":
        [].pop()
    if fault == "memory error":
        bytearray(2**40)
    if fault == "signal":
        os.kill(os.getpid(), 11)
    while fault == "hang":
        pass
    if fault == "memory":
        time.sleep(len(bytearray(b"x") * 2**28) / 2**32)
    if fault == "prints":
        os.write(2, b"chatter\n")
    if fault == "writes beside":
        path.with_name("more").write_text("x")
    if fault == "writes at home":
        Path("~/x").expanduser().write_text("x")
    if fault == "leaves a temporary file":
        os.close(tempfile.mkstemp()[0])
    if fault == "names nothing":
        raise RecipeError("Refused.")
    if fault == "two lines":
        raise RecipeError(f"{path}: \x1b[31m refused.")
    if fault == "exits":
        raise SystemExit(0)
    if fault == "runs a program":
        os.system("true")


PLANTED = Reader("planted", _make, _read, cpu_seconds=0.5)
