"""A recording that is sent over HTTP: received within bounds, written to a file, and read from there."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from threading import Event
from typing import TypeVar

import numpy as np
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.types import Message

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import one_line
from deepspeech_recipe.runtime.recordings.audio_files import at_rate
from deepspeech_recipe.runtime.recordings.incoming import open_called
from deepspeech_recipe.serve.errors import ApiError, Gone
from deepspeech_recipe.serve.options import Options
from deepspeech_recipe.temporary import temporary_directory

T = TypeVar("T")
_MOST_FIELDS, _LONGEST_FIELD = 100, 2**16
_PATIENCE = 20  # how many times `idle` a whole upload may take


@asynccontextmanager
async def received(request: Request, options: Options) -> AsyncIterator[FormData]:
    """The fields of a form, while the block lasts. Raises ApiError if it is too large, or comes too slowly."""
    most, end = options.max_upload + _MOST_FIELDS * _LONGEST_FIELD, time.monotonic() + _PATIENCE * options.idle
    count = 0

    async def receive() -> Message:
        nonlocal count
        try:
            message = await asyncio.wait_for(request.receive(), min(options.idle, max(0.0, end - time.monotonic())))
        except asyncio.TimeoutError:
            raise ApiError(408, "The upload stopped in the middle, or took too long.", code="too_slow") from None
        count += len(message.get("body", b""))
        if count > most:
            raise _too_large(options)
        return message

    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise _too_large(options)
    bounded = Request(request.scope, receive)
    async with bounded.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD) as form:
        yield form


def _too_large(options: Options) -> ApiError:
    return ApiError(413, f"The upload is larger than {options.max_upload} bytes.", "file", "too_large")


def recording_of(form: FormData) -> UploadFile:
    """Raises ApiError if there is none."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ApiError(400, "The field `file` is missing: a recording, uploaded as a file.", "file", "missing")
    return file


@contextmanager
def blocks_of(file: UploadFile, rate: int, longest: float, stop: Event) -> Iterator[Iterator[np.ndarray]]:
    """Blocks of samples at the model's rate, while the block lasts. longest: seconds; stop: set if nobody wants them.

    Raises RecipeError, also while they are read, if it is not audio, damaged or longer; Gone."""
    name = one_line(Path(file.filename or "").name) or "the recording"

    def blocks(audio, path: Path) -> Iterator[np.ndarray]:
        count = 0
        for block in at_rate(audio, str(path), rate):
            if stop.is_set():
                raise Gone
            count += len(block)
            if count > longest * rate:
                raise RecipeError(f"{path}: is longer than {longest:g} seconds.")
            yield block

    with temporary_directory() as folder:
        path = Path(folder) / "recording"
        with path.open("wb") as copy:
            shutil.copyfileobj(file.file, copy, 2**20)
        with open_called(name, path) as audio:
            yield blocks(audio, path)


async def unless_gone(request: Request, awaitable: Awaitable[T]) -> T:
    """What it gives. If the client goes before, it is cancelled, and Gone is raised when it has ended."""
    work, watch = asyncio.ensure_future(awaitable), asyncio.ensure_future(_gone(request))
    waiting: set[asyncio.Future] = {work, watch}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Gone
        return work.result()
    finally:
        watch.cancel()
        work.cancel()
        await asyncio.wait({work})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
