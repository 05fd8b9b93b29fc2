"""The model at work, and what all interfaces share: it is loaded in the background, and used in threads."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from deepspeech_recipe.conversion.model_cache import ir_of
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.runner import device_name
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.serve.capacity import Full, Places, measured_streams
from deepspeech_recipe.serve.options import Options

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Engine:
    """name: of the model, for clients. error: why it cannot be loaded. leaving: set when the server is about to end:
    live streams then say what they have and close.
    """

    def __init__(self, model, name: str, options: Options, **recognition):
        """recognition: decoder, device, alphabet, weights."""
        self.name, self.options, self.error = name, options, ""
        self.leaving = asyncio.Event()
        self._model, self._recognition = model, recognition
        self._recognizer: Recognizer | None = None
        self._loading: asyncio.Task | None = None

    @property
    def ready(self) -> bool:
        """Whether the model is compiled."""
        return self._recognizer is not None

    @property
    def recognizer(self) -> Recognizer:
        """Raises Full as long as it is not ready."""
        if self._recognizer is None:
            self.start()
            raise Full(self.error or "The model is being loaded. Try again in a moment.")
        return self._recognizer

    def start(self) -> asyncio.Task:
        """Begins to load the model, once; the task ends when it is ready, or failed: see `error`."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load())
        return self._loading

    async def run(self, work: Callable[[], T]) -> T:
        """Runs what waits for the network in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def describe(self) -> dict:
        """What clients may know of the model."""
        found = self.recognizer
        return {
            "language": found.metadata.get("language"),
            "sample_rate": found.sample_rate,
            "processor": self._processor,
        }

    async def _load(self) -> None:
        try:
            recognizer, count = await asyncio.to_thread(self._prepare)
        except (RecipeError, OSError, RuntimeError) as error:
            self.error = "The model cannot be loaded; the server's log says why."
            logger.error("%s", error)
            raise
        self.streams = Places(count, "streams")
        # A thread for each place, and some for uploads that wait for one.
        self._threads = ThreadPoolExecutor(count + 4, thread_name_prefix="deepspeech-recipe serve")
        self._recognizer = recognizer

    def _prepare(self) -> tuple[Recognizer, int]:
        given = dict(self._recognition)
        weights, device = given.pop("weights", None), given.get("device", "CPU")
        ir = ir_of(self._model, weights=weights, alphabet=given.get("alphabet"), log=logger.info)
        recognizer, rows = Recognizer(ir, **given, max_batch=self.options.max_batch), self.options.max_batch
        recognizer.stream().finish()  # compiles
        self._processor = device_name(device)
        count = self.options.max_streams or measured_streams(recognizer, rows)
        logger.info("%s: ready on %s, for %d streams at the same time", self.name, self._processor, count)
        return recognizer, count
