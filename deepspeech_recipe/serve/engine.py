"""The model at work, and what all interfaces share: it is loaded in the background, and used in threads."""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from deepspeech_recipe.conversion.model_cache import ir_of
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.runner import device_name
from deepspeech_recipe.runtime import Recognizer, Scorer
from deepspeech_recipe.serve.capacity import Places, measured_streams
from deepspeech_recipe.serve.errors import Busy
from deepspeech_recipe.serve.metrics import Metrics
from deepspeech_recipe.serve.options import Options
from deepspeech_recipe.serve.utterances import Settings

T = TypeVar("T")
logger = logging.getLogger(__name__)
_UPLOADS = 4  # that are received or wait for their answer, for each that is recognised


class Engine:
    """name: of the model, for clients. failure: why it could not be loaded; log_failure: whether the log says so.
    leaving: set when the server is about to end: live streams then say what they have, and close. streams, uploads: who
    is at work, and who sends a recording.
    """

    def __init__(self, model, name: str, options: Options, **recognition):
        """recognition: decoder, device, precision, alphabet, weights."""
        self.name, self.options = name, options
        self.failure: Exception | None = None
        self.log_failure = True
        self.leaving = asyncio.Event()
        self.metrics = Metrics(lambda: (self.streams.taken, self.streams.count))
        self.streams, self.uploads = self._places(0)
        self._model, self._recognition = model, recognition
        self._recognizer: Recognizer | None = None
        self._loading: asyncio.Task | None = None

    @property
    def ready(self) -> bool:
        """Whether the model is compiled."""
        return self._recognizer is not None

    @property
    def recognizer(self) -> Recognizer:
        """Raises Busy as long as the model is not ready."""
        if self._recognizer is None:
            self.start()
            self.metrics.refused.labels("not ready").inc()
            if self.failure is not None:
                raise Busy("The model cannot be loaded; the server's log says why.", "model_failed")
            raise Busy("The model is being loaded. Try again in a moment.", "model_loading")
        return self._recognizer

    def start(self) -> asyncio.Task:
        """Begins to load the model, once. The task ends when it is ready or failed."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load())
        return self._loading

    async def run(self, work: Callable[[], T]) -> T:
        """Runs what waits for the network in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def describe(self) -> dict:
        """What clients may know of the model. Raises Busy."""
        found = self.recognizer
        return {
            "model": self.name,
            "language": found.metadata.get("language"),
            "sample_rate": found.sample_rate,
            "processor": self._processor,
            "scorer": isinstance(self._recognition.get("decoder"), Scorer),
            "silence": self.options.silence,
        }

    def settings(self, **chosen) -> Settings:
        """What a live stream has, if it chooses nothing else."""
        return Settings(**{"silence": self.options.silence, "longest": self.options.max_utterance} | chosen)

    def in_public(self, error: Exception) -> str:
        """An error's message without the places of files on this disk."""
        decoder = self._recognition.get("decoder")
        scorer = [*decoder.files().values()] if isinstance(decoder, Scorer) else []
        text = str(error)
        for path in (self._model, self._recognition.get("alphabet"), *scorer):
            if isinstance(path, str | os.PathLike):
                text = text.replace(str(path), Path(path).name)
        return text

    async def _load(self) -> None:
        try:
            recognizer, count = await asyncio.to_thread(self._prepare)
        except Exception as error:  # whoever waits for the task asks for it
            self.failure = error
            if self.log_failure:
                logger.error("%s", error, exc_info=None if isinstance(error, RecipeError | OSError) else error)
            return
        self.streams, self.uploads = self._places(count)
        # A thread for each place, and some for uploads that are written and read.
        self._threads = ThreadPoolExecutor(count + _UPLOADS, thread_name_prefix="deepspeech-recipe serve")
        self._recognizer = recognizer
        logger.info("%s is ready on %s, for %d streams at the same time", self.name, self._processor, count)

    def _places(self, count: int) -> tuple[Places, Places]:
        refused = self.metrics.refused
        return (
            Places(count, "streams", refused.labels("streams").inc),
            Places(_UPLOADS * count, "uploads", refused.labels("uploads").inc),
        )

    def _prepare(self) -> tuple[Recognizer, int]:
        given = dict(self._recognition)
        ir = ir_of(self._model, weights=given.pop("weights"), alphabet=given["alphabet"], log=logger.info)
        recognizer, rows = recognizer_for(ir, self.options.max_batch, self.metrics.batch_rows.observe, **given)
        recognizer.stream().finish()  # compiles
        self._processor = device_name(given["device"])
        return recognizer, self.options.max_streams or measured_streams(recognizer, rows)


def recognizer_for(
    ir, max_batch: int, on_batch: Callable[[int], None] | None = None, **recognition
) -> tuple[Recognizer, int]:
    """What recognises all streams, and how many of them share a call: `max_batch`, or 1 if the IR does not let them."""
    try:
        return Recognizer(ir, **recognition, max_batch=max_batch, on_batch=on_batch), max_batch
    except RecipeError as error:
        found = Recognizer(ir, **recognition)  # if something else is wrong, it is said here
        logger.warning("every stream has calls of its own: %s", error)
        return found, 1
