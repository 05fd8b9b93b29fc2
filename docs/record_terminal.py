"""Draws docs/recordings.svg, the terminal in the README: what the commands really print, on the bundled model and its
recordings. `PYTHONPATH=. python docs/record_terminal.py` (pip install rich)
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "deepspeech_recipe" / "data" / "model"
COMMANDS = (
    "ls -R talks",
    "deepspeech-recipe transcribe talks --recursive --model model.pb -o texts --format txt,srt",
    "cat texts/morning/travis.srt",
    "deepspeech-recipe transcribe talks --recursive --model model.pb -o texts --format txt,srt --resume",
)
WIDTH = 118


def main() -> None:
    console = Console(record=True, width=WIDTH, file=open("/dev/null", "w"), force_terminal=True)  # noqa: SIM115
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(MODEL / "output_graph.pb", folder / "model.pb")
        (folder / "talks" / "morning").mkdir(parents=True)
        for number, path in enumerate(sorted((MODEL / "recordings").glob("*.wav"))):
            short = path.stem.split("-")[2]
            shutil.copy(path, folder / "talks" / ("" if number % 2 else "morning") / f"{short}.wav")
        (folder / "talks" / "damaged.wav").write_bytes(path.read_bytes()[:40_000])
        (folder / "bin").mkdir()
        program = folder / "bin" / "deepspeech-recipe"
        program.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -m deepspeech_recipe \"$@\"\n")
        program.chmod(0o755)
        environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": "/tmp", "XDG_CACHE_HOME": f"{folder}/cache"}
        for command in COMMANDS:
            console.print(Text(f"$ {command}", style="bold"))
            done = subprocess.run(
                command, shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, check=False,
            )  # fmt: skip
            printed = done.stdout.replace(f"{folder}/cache", "~/.cache").rstrip()
            for line in printed.splitlines():
                console.print(Text(line, style="red" if "error: " in line else ""))
            console.print()
    drawn = console.export_svg(title="deepspeech-recipe")
    drawn = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", drawn, flags=re.DOTALL)  # fonts of another server
    Path(__file__).with_name("recordings.svg").write_text(re.sub(r"\n\s*\n+", "\n", drawn))


if __name__ == "__main__":
    main()
