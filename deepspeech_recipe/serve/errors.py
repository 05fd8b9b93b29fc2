"""What clients are told when something is refused: in OpenAI's form over HTTP."""

import logging

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import one_line

logger = logging.getLogger(__name__)
_RETRY = {"Retry-After": "1"}
_CLIENT_GONE = 499  # nginx's; nobody reads it


class ApiError(RecipeError):
    """A request that is refused. status: of HTTP; param: the field at fault; code: for programs."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


class Busy(ApiError):
    """Nothing is wrong with the request, and it may be tried again in a moment."""

    def __init__(self, message: str, code: str = "at_capacity"):
        super().__init__(503, message, code=code)


class Gone(Exception):
    """The client is gone, or does not read what it asked for."""


def content(error: ApiError) -> dict:
    """What OpenAI's clients read."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    return {"error": {"message": str(error), "type": kind, "param": error.param, "code": error.code}}


def answer(error: ApiError) -> Response:
    """The answer to a request that is refused."""
    return JSONResponse(content(error), error.status, _RETRY if isinstance(error, Busy) else None)


def as_api_error(error: Exception, engine) -> ApiError:
    """What a client may know of any error."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        return ApiError(error.status_code, str(error.detail))
    if isinstance(error, RecipeError):
        return ApiError(400, engine.in_public(error))
    return ApiError(500, "The server failed at this; its log says how.")


async def handle(request: Request, error: Exception) -> Response:
    """As starlette calls it, with a line in the log."""
    if isinstance(error, (ClientDisconnect, Gone)):
        note(request, "the client is gone")
        return Response(status_code=_CLIENT_GONE)
    found = as_api_error(error, request.app.state.engine)
    note(request, f"{found.status}: {found}")
    return answer(found)


def note(connection, message: str) -> None:
    """A line in the log about a client. connection: starlette's, of HTTP or WebSockets."""
    client = connection.client.host if connection.client else "a client"
    logger.warning("%s, %s: %s", client, one_line(connection.url.path), one_line(message))


HANDLERS = dict.fromkeys((HTTPException, RecipeError, ClientDisconnect, Gone, Exception), handle)
