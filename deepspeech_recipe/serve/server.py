"""The server of the command: uvicorn, and what it needs to end in order."""

import asyncio
from typing import Any

import uvicorn

from deepspeech_recipe.serve.asgi import app


def serve(model, *, host: str = "127.0.0.1", port: int = 8000, **options: Any) -> None:
    """Serves a model until SIGTERM or Ctrl-C."""
    found = app(model, **options)
    config = uvicorn.Config(found, host=host, port=port, ws_per_message_deflate=False, ws_max_size=2**18)
    asyncio.run(uvicorn.Server(config).serve())
