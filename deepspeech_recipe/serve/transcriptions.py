"""`POST /v1/audio/transcriptions`, as OpenAI's API has it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from threading import Event

import numpy as np
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from deepspeech_recipe.runtime import Recognizer, Result
from deepspeech_recipe.serve import answers
from deepspeech_recipe.serve.engine import Engine
from deepspeech_recipe.serve.errors import ApiError, as_api_error, content, note
from deepspeech_recipe.serve.uploads import blocks_of, received, recording_of, unless_gone

Tell = Callable[[str], None]


async def transcribe(request: Request) -> Response:
    """The text of an uploaded recording, whole or as it comes."""
    engine: Engine = request.app.state.engine
    recognizer = engine.recognizer
    engine.streams.check()  # before a recording is sent in vain
    async with AsyncExitStack() as stack:
        stack.enter_context(engine.uploads.take())
        form = await stack.enter_async_context(received(request, engine.options))
        wanted, file = answers.wanted(form, engine.describe()), recording_of(form)
        stack.enter_context(engine.streams.take())
        work = _Work(engine, recognizer, file)
        if not wanted.stream:
            return answers.answer(await unless_gone(request, work.result()), wanted, engine.describe())
        events = _events(request, work, stack.pop_all())
        # What is wrong from the beginning is an answer with a status of its own.
        first = await unless_gone(request, anext(events))
        return StreamingResponse(_again(first, events), media_type="text/event-stream")


class _Work:
    """A recording on its way to a text, in a thread."""

    def __init__(self, engine: Engine, recognizer: Recognizer, file: UploadFile):
        self._engine, self._recognizer, self._file = engine, recognizer, file
        self._stop = Event()

    def start(self, tell: Tell | None = None) -> asyncio.Future[Result]:
        """tell: gets the text that will not change any more, in the thread, whenever it has grown."""
        work = asyncio.ensure_future(self._engine.run(lambda: self._run(tell)))
        work.add_done_callback(lambda work: work.cancelled() or work.exception())  # it may be that nobody asks
        return work

    async def stop(self, work: asyncio.Future) -> None:
        """Waits until the thread is done with it, which it is soon."""
        self._stop.set()
        await asyncio.wait({work})

    async def result(self) -> Result:
        """If it is cancelled, the thread ends first."""
        work = self.start()
        try:
            return await asyncio.shield(work)
        finally:
            await self.stop(work)

    def _run(self, tell: Tell | None) -> Result:
        begin, rate = time.monotonic(), self._recognizer.sample_rate
        with blocks_of(self._file, rate, self._engine.options.max_recording, self._stop) as blocks:
            result = self._recognizer.transcribe_blocks(blocks) if tell is None else self._telling(blocks, tell)
        self._engine.metrics.recording_seconds.observe(time.monotonic() - begin)
        self._engine.metrics.audio.labels("recording").inc(result.seconds)
        return result

    def _telling(self, blocks: Iterator[np.ndarray], tell: Tell) -> Result:
        with self._recognizer.stream() as stream:
            for block in blocks:
                stream.feed(block)
                progress = stream.progress()
                tell(progress.text[: progress.settled])
            return stream.finish_with_metadata()


async def _events(request: Request, work: _Work, stack: AsyncExitStack) -> AsyncIterator[str]:
    """Server-sent events: `transcript.text.delta`, and `transcript.text.done` at the end. Closes the stack."""
    async with stack:
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        loop, sent = asyncio.get_running_loop(), ""

        def tell(text: str) -> None:
            loop.call_soon_threadsafe(texts.put_nowait, text)

        running = work.start(tell)
        running.add_done_callback(lambda _: texts.put_nowait(None))
        try:
            while (text := await texts.get()) is not None:
                if len(text) > len(sent):
                    yield _event("transcript.text.delta", delta=text[len(sent) :])
                    sent = text
            text = running.result().text
            if len(text) > len(sent):
                yield _event("transcript.text.delta", delta=text[len(sent) :])
            yield _event("transcript.text.done", text=text)
        except Exception as error:
            if not sent:
                raise
            found: ApiError = as_api_error(error, request.app.state.engine)
            note(request, f"in the middle of its text: {found}")
            yield _data(content(found))
        finally:
            await work.stop(running)


def _event(kind: str, **values: str) -> str:
    return _data({"type": kind, **values})


def _data(values: dict) -> str:
    return f"data: {json.dumps(values, ensure_ascii=False)}\n\n"


async def _again(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for each in rest:
        yield each
