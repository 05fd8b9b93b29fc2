"""Many streams: what docs/speed.md measures beside the scenarios of `deepspeech-recipe benchmark`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deepspeech_recipe.benchmarking.rounds import Entry
from deepspeech_recipe.benchmarking.scenarios import FRAMES, Team


def only(team: Team, names: Sequence[str]) -> Team:
    """Some of the contenders, with the same workers."""
    return replace(team, contenders=[contender for contender in team.contenders if contender.name in names])


def streams(team: Team, rows: Sequence[int], repeat: int, frames: int = FRAMES) -> list[Entry]:
    """One call with a chunk of each of that many streams."""
    points = {count: {"frames": frames, "rows": count, "repeat": max(2, repeat // count)} for count in rows}
    return team.entries("streams", "chunk", points, {"repeat": 1})


def live(team: Team, rows: Sequence[int], audio: Path) -> list[Entry]:
    """That many streams that hear the audio at real-time pace: how late the text of each chunk is."""
    return team.entries("live", "live", {count: {"audio": str(audio), "rows": count} for count in rows}, {"rows": 1})
