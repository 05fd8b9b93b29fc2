"""How a server serves, and how much anybody may ask of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from deepspeech_recipe.errors import RecipeError

MEGABYTE = 2**20


@dataclass(frozen=True)
class Options:
    """- max_streams: how many recordings and live streams are recognised at the same time; None: measured at the start.
    - max_batch: how many of them share one call of the network.
    - silence: seconds without a letter that end a live utterance; 0: nothing but the client ends it.
    - max_utterance: seconds after which a live utterance ends in any case.
    - max_recording: seconds of an uploaded recording. max_upload: bytes of one.
    - idle: seconds that a client may send nothing, or not read what it asked for.
    - max_connections: that are open at the same time.
    - token: what every client must know; None: no one is asked. origins: addresses of other pages that may use this
      server, and of itself behind a proxy ('https://speech.example').

    Raises RecipeError for what is not possible.
    """

    max_streams: int | None = None
    max_batch: int = 8
    silence: float = 2.0
    max_utterance: float = 300.0
    max_recording: float = 4 * 3600.0
    max_upload: int = 256 * MEGABYTE
    idle: float = 30.0
    max_connections: int = 256
    token: str | None = field(default=None, repr=False)
    origins: Sequence[str] = ()

    def __post_init__(self):
        least: dict[str, float] = {"max_batch": 1, "silence": 0, "idle": 0.1, "max_connections": 1}
        least |= {"max_utterance": 1, "max_recording": 1, "max_upload": 1}
        if self.max_streams is not None:
            least["max_streams"] = 1
        for name, value in least.items():
            if not value <= getattr(self, name) < float("inf"):
                raise RecipeError(f"{name} is {getattr(self, name)}: at least {value} is needed.")
