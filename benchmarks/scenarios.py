"""Many streams: what docs/speed.md measures beside the scenarios of `deepspeech-recipe benchmark`."""

from collections.abc import Sequence
from pathlib import Path

from deepspeech_recipe.benchmarking.rounds import Entry
from deepspeech_recipe.benchmarking.scenarios import FRAMES, Team


def streams(team: Team, rows: Sequence[int], repeat: int, frames: int = FRAMES) -> list[Entry]:
    """One call with a chunk of each of that many streams."""
    return [
        team.entry(
            contender, team.measurement("streams", contender, "ms", count), "chunk", {"repeat": 1},
            frames=frames, rows=count, repeat=max(2, repeat // count),
        )
        for count in rows
        for contender in team.contenders
    ]  # fmt: skip


def live(team: Team, rows: Sequence[int], audio: Path) -> list[Entry]:
    """That many streams that hear the audio at real-time pace: how late the text of each chunk is."""
    return [
        team.entry(
            contender, team.measurement("live", contender, "ms", count), "live", {"rows": 1},
            audio=str(audio), rows=count,
        )
        for count in rows
        for contender in team.contenders
    ]  # fmt: skip
