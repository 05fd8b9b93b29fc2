"""The ASGI app: which address leads where."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from deepspeech_recipe.ir.options import FULL_PRECISION, Precision, Weights
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.serve import answers, errors, streaming, transcriptions
from deepspeech_recipe.serve.access import COOKIE, Guard, Token
from deepspeech_recipe.serve.engine import Engine
from deepspeech_recipe.serve.options import Options
from deepspeech_recipe.serve.uploads import received

_STATIC = Path(__file__).parent / "static"


def app(
    model: str | os.PathLike | ov.Model,
    *,
    name: str | None = None,
    decoder=None,
    device: str = "CPU",
    precision: Precision = FULL_PRECISION,
    alphabet: str | os.PathLike | None = None,
    weights: Weights | None = None,
    **options,
) -> Starlette:
    """An ASGI app that serves a model; any ASGI host runs it.

    - model: an IR or a folder with one, an ov.Model, or a model file of any kind, which is converted at first use.
    - name: that clients call it by; by default the file's, without its ending.
    - decoder, device, precision, alphabet, weights: as `transcribe` has them.
    - options: the fields of `serve.options.Options`.

    The model is loaded in the background when the host starts the app, or with the first request; `/health` says when
    it is ready. Raises RecipeError for an option that is not possible.
    """
    given = {"decoder": decoder, "device": device, "precision": precision, "alphabet": alphabet, "weights": weights}
    own = Path(model).stem if isinstance(model, str | os.PathLike) else "model"
    engine = Engine(model, name or own, Options(**options), **given)
    token = Token(engine.options.token)
    middleware = [Middleware(Guard, token, engine.options)]
    if engine.options.origins:
        middleware.append(
            Middleware(CORSMiddleware, allow_origins=[*engine.options.origins], allow_headers=["Authorization"])
        )
    routes = [
        Route("/", _page),
        Route("/login", _log_in, methods=["POST"]),
        Route("/health", _health),
        Route("/metrics", _metrics),
        Route("/v1/models", _models),
        Route("/v1/models/{model:path}", _model),
        Route("/v1/audio/transcriptions", transcriptions.transcribe, methods=["POST"]),
        WebSocketRoute("/v1/stream", streaming.stream),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    found = Starlette(routes=routes, middleware=middleware, exception_handlers=errors.HANDLERS, lifespan=_lifespan)
    found.state.engine, found.state.token = engine, token
    return found


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.engine.start()
    yield
    app.state.engine.leaving.set()


async def _page(request: Request) -> Response:
    if request.app.state.token.is_known(request):
        return FileResponse(_STATIC / "index.html")
    return FileResponse(_STATIC / "login.html", 401)


async def _log_in(request: Request) -> Response:
    token: Token = request.app.state.token
    async with received(request, request.app.state.engine.options) as form:
        given = form.get("token")
    if not (isinstance(given, str) and token.is_right(given)):
        errors.note(request, "a wrong token")
        return RedirectResponse("./#wrong", 303)
    found = RedirectResponse("./", 303)
    secure = request.url.scheme == "https"
    path = request.scope.get("root_path") or "/"
    found.set_cookie(COOKIE, token.cookie, path=path, secure=secure, httponly=True, samesite="strict")
    return found


async def _health(request: Request) -> Response:
    engine: Engine = request.app.state.engine
    engine.start()
    status = "ready" if engine.ready else "failed" if engine.failure else "loading"
    return JSONResponse({"status": status}, 200 if engine.ready else 503)


async def _metrics(request: Request) -> Response:
    return Response(request.app.state.engine.metrics.text(), media_type="text/plain; version=0.0.4")


async def _models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [answers.model_object(request.app.state.engine.describe())]})


async def _model(request: Request) -> Response:
    model = request.app.state.engine.describe()
    answers.check_model(request.path_params["model"], model)
    return JSONResponse(answers.model_object(model))
