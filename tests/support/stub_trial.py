"""A trial that does what it is told: `python -m tests.support.stub_trial`, for `deepspeech_recipe.processes.trial`."""

import json
import os
import signal
import sys
import time

from deepspeech_recipe.processes import trial


def main() -> int:
    task = json.load(sys.stdin)
    while time.process_time() < task.get("loads", 0):
        pass
    trial.limit(task["seconds"], 2**30)
    if task["does"] == "hang":
        while True:
            pass
    if task["does"] == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task["does"] == "fill":
        return len(bytearray(2**31))
    print(f"first\n{task['does']}", file=sys.stderr)
    return task["code"]


if __name__ == "__main__":
    sys.exit(main())
