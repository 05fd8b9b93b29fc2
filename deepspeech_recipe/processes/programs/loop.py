"""What all workers share: one JSON document a line in, one out, until stdin ends.

`{"do": NAME, "with": {…}}` is answered with `{"result": …}` or `{"error": "one line"}`. Runs on Python 3.9.
"""

import json
import os
import platform
import sys
import time

WARM_SECONDS = 0.05  # processors and their caches need that long to be at their usual speed

NO_CHUNKS = "the network is bidirectional and takes whole utterances, so it has no chunks and no streams"


def limit_threads() -> int:
    """Keeps the process to as many processors as the first argument says; call it before anything is imported."""
    count = int(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    os.environ["OMP_NUM_THREADS"] = str(count)
    return count


def serve(commands) -> None:
    """Answers questions until there are no more. commands: an object whose public methods are the commands."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": getattr(commands, request["do"])(**request["with"])}
        except Exception as error:
            lines = str(error).strip().splitlines()
            kind = "" if lines and isinstance(error, ValueError) else f"{type(error).__name__}: "
            answer = {"error": kind + (lines[-1] if lines else "no reason given")}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def timed(call, repeat: int) -> list:
    """Milliseconds of each of `repeat` calls, after calls that are not counted."""
    start = time.perf_counter()
    call()
    while time.perf_counter() - start < WARM_SECONDS:
        call()
    samples = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        samples.append(1000 * (time.perf_counter() - start))
    return samples


def status() -> dict:
    """Bytes of the process's memory by their names in /proc/self/status; empty if the system does not tell."""
    try:
        with open("/proc/self/status") as file:
            fields = (line.split() for line in file if line.startswith("Vm"))
            return {name.rstrip(":"): 1024 * int(size) for name, size, _ in fields}
    except OSError:
        return {}


class Commands:
    """What every worker can be asked."""

    packages: tuple = ()

    def about(self) -> dict:
        """Versions of Python and of the libraries."""
        from importlib.metadata import version

        return {"python": platform.python_version(), **{name: version(name) for name in self.packages}}

    def utterance(self, audio: str) -> dict:
        """A recording to text: its path → milliseconds, and the text."""
        raise ValueError("it takes no recordings")

    def corpus(self, audio: list) -> dict:
        """Several recordings, one after the other unless the worker knows better."""
        found = [self.utterance(path) for path in audio]
        return {"ms": [sum(each["ms"][0] for each in found)], "texts": [each.get("text") for each in found]}

    def serve(self) -> dict:
        """The address of a server of live streams."""
        raise ValueError("it is not what the server runs")

    def memory(self) -> dict:
        """Bytes of resident memory, at the most so far and now; empty if the system does not tell."""
        found = status()
        return {"peak": found["VmHWM"], "now": found["VmRSS"]} if found else {}
