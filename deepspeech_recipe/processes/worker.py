"""A worker: a long-lived process with a Python of its own that answers one question at a time."""

import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deepspeech_recipe.errors import RecipeError

_PROGRAMS = Path(__file__).with_name("programs")
RUN_GRAPH = _PROGRAMS / "run_graph.py"
_LONGEST_WAIT = 600  # seconds: the slowest contender takes four minutes for ten minutes of audio


class Failed(RecipeError):
    """One contender cannot do what it was asked; the others go on."""


class Worker:
    """Starts `program` with `python`, kept to `threads` processors. Ends with the `with` block.

    environment: variables for it, besides this process's own.
    """

    def __init__(
        self,
        python: str | os.PathLike,
        program: str | os.PathLike,
        threads: int,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
    ):
        self.died = ""
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._answers: queue.SimpleQueue = queue.SimpleQueue()
        variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        variables |= environment or {}
        # What programs share is not a package: they run if this project is not installed.
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PROGRAMS), variables.get("PYTHONPATH")]))
        try:
            self._process = subprocess.Popen(
                [os.fspath(python), os.fspath(program), str(threads), *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, encoding="utf-8", env=variables,
            )  # fmt: skip
        except OSError as error:
            self._stderr.close()
            raise Failed(f"{python} cannot be run ({error.strerror})") from None
        # Popen has them, as it was asked for pipes; its type says that it may not.
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, self._replies = self._process.stdin, self._process.stdout
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._replies:
            self._answers.put(line)
        self._answers.put(None)

    def ask(self, command: str, *, wait: float = _LONGEST_WAIT, **arguments):
        """The answer's result. Raises Failed with one line: the worker's own, or how it died, from then on."""
        if self.died:
            raise Failed(self.died)
        try:
            self._questions.write(json.dumps({"do": command, "with": arguments}) + "\n")
            self._questions.flush()
            line = self._answers.get(timeout=wait)
        except OSError:
            line = None
        except queue.Empty:
            self._process.kill()
            self.died = f"gave no answer to '{command}' in {wait:g} seconds and was stopped"
            raise Failed(self.died) from None
        if line is None:
            self.died = self._last_words()
            raise Failed(self.died)
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def _last_words(self) -> str:
        code = self._process.wait()
        self._stderr.seek(0)
        lines = [line.strip() for line in self._stderr.read().splitlines() if line.strip()]
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the worker {how}" + (f": {lines[-1]}" if lines else "")

    def close(self) -> None:
        with suppress(OSError):  # what a dead worker did not read
            self._questions.close()
        if self._process.poll() is None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._listener.join(5)
        self._replies.close()
        self.died = self.died or "the worker was stopped"
        self._stderr.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error) -> None:
        self.close()
