"""`WS /v1/stream`: samples in, texts out, as JSON."""

import asyncio
import json
from collections.abc import Iterable

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from deepspeech_recipe.corpus import subtitles
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.result import Progress, Result
from deepspeech_recipe.serve.capacity import Full
from deepspeech_recipe.serve.engine import Engine
from deepspeech_recipe.serve.utterances import Settings, Utterances

_NORMAL, _LEAVING, _UNFIT, _FAILED, _FULL = 1000, 1001, 1003, 1011, 1013


class Close(Exception):
    """Ends a connection. code: of the WebSocket protocol; the reason goes to the client, too."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason)
        self.code = code


async def stream(websocket: WebSocket) -> None:
    """One connection."""
    engine: Engine = websocket.app.state.engine
    await websocket.accept()
    try:
        try:
            recognizer = engine.recognizer
            with engine.streams.take():
                await _Conversation(websocket, engine, recognizer).run()
        except Full as full:
            raise Close(_FULL, str(full)) from None
        except RecipeError as error:
            raise Close(_UNFIT, str(error)) from None
    except Close as close:
        await _leave(websocket, close)
    except WebSocketDisconnect:
        pass


async def _leave(websocket: WebSocket, close: Close) -> None:
    """Says why, if somebody still listens."""
    reason = str(close)
    if websocket.application_state is WebSocketState.CONNECTED:
        if close.code != _NORMAL:
            await websocket.send_json({"type": "error", "message": reason})
        await websocket.close(close.code, reason.encode()[:123].decode(errors="ignore"))


class _Conversation:
    def __init__(self, websocket: WebSocket, engine: Engine, recognizer):
        self._websocket, self._engine, self._recognizer = websocket, engine, recognizer
        self._idle = engine.options.idle
        self._utterances = self._new({})
        self._leaving = asyncio.ensure_future(engine.leaving.wait())
        self._receive: asyncio.Future | None = None

    async def run(self) -> None:
        await self._send({"type": "ready", "model": self._engine.name, **self._engine.describe()})
        try:
            while (message := await self._next()) is not None:
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message.get("code", 1005))
                if message.get("bytes") is not None:
                    self._utterances.add(message["bytes"])
                    if self._utterances.due:
                        await self._say(self._utterances.work)
                else:
                    await self._obey(message.get("text") or "")
            await self._finish()
            raise Close(_LEAVING, "The server is about to end.")
        finally:
            self._leaving.cancel()
            if self._receive is not None:
                self._receive.cancel()
            self._utterances.close()

    async def _next(self) -> dict | None:
        """The next message; None if the server is about to end. Raises Close if none comes."""
        if self._engine.leaving.is_set():
            return None
        if self._receive is None:
            self._receive = asyncio.ensure_future(self._websocket.receive())
        await asyncio.wait({self._receive, self._leaving}, timeout=self._idle, return_when=asyncio.FIRST_COMPLETED)
        if self._receive.done():
            message, self._receive = self._receive.result(), None
            return message
        if self._leaving.done():
            return None
        await self._finish()
        raise Close(_NORMAL, f"Nothing came for {self._idle:g} seconds.")

    async def _finish(self) -> None:
        if not self._utterances.idle:
            await self._say(self._utterances.end)

    async def _obey(self, text: str) -> None:
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            raise RecipeError("A message of text must be a JSON object.")
        if asked.get("end"):
            await self._say(self._utterances.end)
        elif not self._utterances.idle:
            raise RecipeError("Settings come before the first sample of an utterance.")
        else:
            new = await self._engine.run(lambda: self._new(asked))
            self._utterances.close()
            self._utterances = new

    def _new(self, asked: dict) -> Utterances:
        options = self._engine.options
        own = {"silence": options.silence, "longest": options.max_utterance}
        return Utterances(self._recognizer, Settings(**own | {k: asked[k] for k in ("rate", "silence") if k in asked}))

    async def _say(self, work) -> None:
        for event in await self._engine.run(lambda: list(work())):
            await self._send(as_json(event))

    async def _send(self, message: dict) -> None:
        try:
            await asyncio.wait_for(self._websocket.send_json(message), self._idle)
        except asyncio.TimeoutError:
            raise WebSocketDisconnect(1006) from None


def as_json(event: Progress | Result) -> dict:
    """A message about an utterance."""
    if isinstance(event, Progress):
        return {"type": "partial", "text": event.text, "settled": event.settled}
    return {
        "type": "final",
        "text": event.text,
        "words": [{"word": each.text, "start": each.start, "end": each.end} for each in event.words],
        "segments": segments(event.words),
        "seconds": event.seconds,
        "confidence": event.confidence,
    }


def segments(words: Iterable) -> list[dict]:
    """Lines of words that belong together, as subtitles have them."""
    return [{"start": start, "end": end, "text": text} for start, end, text in subtitles.cues(words)]
