"""The ASGI app: which address leads where."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from deepspeech_recipe.serve import streaming, transcriptions
from deepspeech_recipe.serve.engine import Engine
from deepspeech_recipe.serve.options import Options

STATIC = Path(__file__).parent / "static"


def app(
    model,
    *,
    name: str | None = None,
    decoder=None,
    device: str = "CPU",
    alphabet: str | os.PathLike | None = None,
    weights=None,
    **options,
) -> Starlette:
    """An ASGI app that serves a model.

    - model: an IR or a folder with one, an ov.Model, or a model file of any kind, which is converted at first use.
    - name: that clients call it by; by default the file's, without its ending.
    - decoder, device, alphabet, weights: as `transcribe` has them.
    - options: those of `serve.options.Options`.

    The model is loaded in the background. Raises RecipeError for an option that is not possible.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.engine.start()
        yield

    routes = [
        Route("/", _page),
        Route("/health", _health),
        Route("/v1/models", _models),
        Route("/v1/audio/transcriptions", transcriptions.transcribe, methods=["POST"]),
        WebSocketRoute("/v1/stream", streaming.stream),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    found = Starlette(routes=routes, lifespan=lifespan)
    given = {"decoder": decoder, "device": device, "alphabet": alphabet, "weights": weights}
    found.state.engine = Engine(model, name or _name_of(model), Options(**options), **given)
    return found


def _name_of(model) -> str:
    return Path(model).stem if isinstance(model, str | os.PathLike) else "model"


async def _page(request: Request) -> Response:
    return FileResponse(STATIC / "index.html")


async def _health(request: Request) -> Response:
    engine: Engine = request.app.state.engine
    status = "ready" if engine.ready else "failed" if engine.error else "loading"
    return JSONResponse({"status": status}, 200 if engine.ready else 503)


async def _models(request: Request) -> Response:
    engine: Engine = request.app.state.engine
    model = {"id": engine.name, "object": "model", "created": 0, "owned_by": "deepspeech-recipe", **engine.describe()}
    return JSONResponse({"object": "list", "data": [model]})
