"""Live speech and recordings to text behind the interfaces that people use: a page, HTTP, WebSockets, Wyoming.

`app(model)` is an ASGI app, for any host; `serve(model)` runs it here, as the command does.
"""

from deepspeech_recipe.errors import RecipeError

try:
    from deepspeech_recipe.serve.asgi import app
    from deepspeech_recipe.serve.server import serve
except ImportError as error:
    raise RecipeError(
        f"The server needs {error.name}, which is not installed. Install the extra serve: "
        "starlette, uvicorn, websockets, python-multipart, prometheus-client and wyoming."
    ) from None

__all__ = ["app", "serve"]
