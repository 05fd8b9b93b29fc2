"""A server that runs beside the tests, for this machine alone."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served(model, *, ready: bool = True, **options) -> Iterator[str]:
    """Its address, with / at the end; at the end of the block it is told to leave, as SIGTERM tells it. ready: wait
    until the model is loaded."""
    import uvicorn

    from deepspeech_recipe.serve import app

    config = uvicorn.Config(app(model, **options), port=0, log_level="warning", ws_per_message_deflate=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait(lambda: server.started)
        host, port = server.servers[0].sockets[0].getsockname()
        wait(lambda: config.app.state.engine.ready or not ready)
        yield f"http://{host}:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)


def wait(condition) -> None:
    """Until it is true. Raises TimeoutError after a minute."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise TimeoutError("The server does not begin.")
