"""The plan's test groups as recordings: ``python -m training.make_clips OUT [NUMBER]``.

Writes OUT/<group>-<number>.wav, and OUT/clips.csv with the columns of DeepSpeech's manifests and ``group``. NUMBER: so
many of each group, the first of the plan; all without it.
"""

import csv
import sys
from pathlib import Path

from training.plan import digest, plan
from training.speech import speak, write_wav

GROUPS = ("texts", "voices", "accent")


def main(out: Path, number: int | None = None) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rows = plan()
    print("manifest", digest(rows), flush=True)
    with open(out / "clips.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["wav_filename", "wav_filesize", "transcript", "group"])
        for group in GROUPS:
            for at, line in enumerate([row for row in rows if row.split == group][:number]):
                path = out / f"{group}-{at:03}.wav"
                write_wav(path, speak(line))
                table.writerow([path.name, path.stat().st_size, line.text, group])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
