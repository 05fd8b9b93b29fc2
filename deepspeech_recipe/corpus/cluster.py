"""The same work on a Ray cluster: Ray schedules, retries and scales; this module only says what to run.

Recordings lie where every node can read them: on a shared file system, or at addresses. The model, and a scorer, go
from here into Ray's object store, once to each node.
"""

import logging
import os
import pickle
import socket
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepspeech_recipe.corpus.engine import Log, Meter, ThisProcess, batches, look, recognition
from deepspeech_recipe.corpus.listing import Recording
from deepspeech_recipe.corpus.outcome import Outcome, failed
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import one_line
from deepspeech_recipe.installation import needed
from deepspeech_recipe.ir.options import Precision
from deepspeech_recipe.quiet import native_code_quiet
from deepspeech_recipe.runtime import Recognizer, Scorer
from deepspeech_recipe.runtime.recordings.incoming import is_address, is_pipe, shown_name
from deepspeech_recipe.temporary import temporary_directory

LOCAL = "local"
_PACKAGE = Path(__file__).parents[1]
_BATCH = 8  # recordings side by side, if nobody says
_TRIES = 3  # of a task whose worker dies
_MOST_BATCHES = 16  # of a task: what is done again if its worker dies
_TASKS_OF_A_WORKER = 8  # so that none waits for the others at the end
# Looked at in one task; fewer are looked at from here, before a worker would have begun. An address takes longer.
_LOOKED_AT_ONCE, _ADDRESSES_AT_ONCE = 5000, 500
_PATIENCE = 10.0  # seconds, for a cluster to answer


class Cluster(ThisProcess):
    """Looks and works on the nodes of a cluster, with a Recognizer of one thread for each of their processors."""

    def __init__(
        self,
        address: str,
        ir,
        decoder,
        device: str,
        precision: Precision,
        alphabet,
        batch: int | None,
        log: Log | None,
        meter: Meter,
    ):
        """address: of Ray, or 'local'. Raises RecipeError if there is none, or the model cannot be sent."""
        if not isinstance(ir, Path):
            raise RecipeError("A cluster needs the model in a file: convert it first, and give the IR.")
        self._ray = _connected(address)
        self._log, self._meter, self._batch = log, meter, batch or _BATCH
        self._parts = self._ray.put(_packed(ir, decoder, device, precision, alphabet) | {"rows": self._batch})

    def look(self, recordings: Sequence[Recording]) -> Iterator[Outcome]:
        pipe = next((each for each in recordings if is_pipe(each.name)), None)
        if pipe is not None:
            raise RecipeError(f"{shown_name(pipe.name)}: is read on this machine. Leave --cluster out.")
        size = _ADDRESSES_AT_ONCE if any(is_address(each.name) for each in recordings) else _LOOKED_AT_ONCE
        groups = [recordings[at : at + size] for at in range(0, len(recordings), size)]
        if len(groups) < 2:
            return map(look, recordings)
        found = {id(given): outcome for given, outcome, _ in self._map(groups, _look, {"num_cpus": 1})}
        return (found[id(each)] for each in recordings)

    def run(self, looked: Sequence[Outcome]) -> Iterator[Outcome]:
        groups = batches(looked, self._batch)
        left = {id(each): each for group in groups for each in group}
        # What a dying worker has taken along is tried once more, by itself.
        for parts in (groups, None):
            again = [[each] for each in left.values()] if parts is None else parts
            if not again:
                return
            pool = {"fn_constructor_args": (self._parts,), "ray_remote_args_fn": _retries}
            for given, outcome, notes in self._map(again, _Worker, pool):
                del left[id(given)]
                for note in notes if self._log else ():
                    self._log(note)  # type: ignore[misc]
                self._meter.add(outcome.seconds)
                yield outcome
        for each in left.values():
            name = shown_name(each.name)
            yield failed(each, RecipeError(f"{name}: the workers that read it died. Try it on one machine."))

    def _workers(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _map(self, groups, function, options: dict[str, Any]) -> Iterator[tuple[Recording, Outcome, list[str]]]:
        """Runs a function of recordings on all groups, or a class that a pool of workers keeps; yields (the recording
        given, its outcome, notes)."""
        from ray.data import ActorPoolStrategy, from_items

        given = [each for group in groups for each in group]
        numbered, number = [], 0
        for group in groups:
            numbered.append([(number + at, _sent(each)) for at, each in enumerate(group)])
            number += len(group)
        size = min(_MOST_BATCHES, max(1, len(groups) // (_TASKS_OF_A_WORKER * self._workers())))
        rows = [{"work": pickle.dumps(numbered[at : at + size])} for at in range(0, len(numbered), size)]
        if isinstance(function, type):
            options["compute"] = ActorPoolStrategy(size=min(self._workers(), len(rows)))
        data = from_items(rows, override_num_blocks=len(rows))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            data = data.map_batches(function, batch_size=1, **options)
        with native_code_quiet():  # of a restart's limits, which `left` in `run` takes care of
            for row in _rows(data):
                for at, outcome, notes in pickle.loads(row["done"]):
                    yield _received(given[at], outcome, notes)


def _rows(data) -> Iterator[dict[str, Any]]:
    """Raises RecipeError if the cluster fails as a whole: no worker begins, or the connection is lost."""
    try:
        yield from data.iter_rows()
    except Exception as error:  # of many kinds
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
        raise RecipeError(one_line(f"The cluster failed ({reason.rstrip('.')}). --resume goes on.")) from error


def _retries() -> dict[str, int]:
    return {"num_cpus": 1, "max_restarts": -1, "max_task_retries": _TRIES}


class _Worker:
    """What runs on a node: a Recognizer of one thread."""

    def __init__(self, parts):
        import ray

        parts = ray.get(parts) if isinstance(parts, ray.ObjectRef) else parts
        self._notes: list[str] = []
        self._work = recognition(_unpacked(parts), parts["rows"], self._notes.append)

    def __call__(self, batch):
        done = []
        numbered = [each for group in pickle.loads(batch["work"][0]) for each in group]
        numbers = {id(recording): number for number, recording in numbered}
        for outcome in self._work([recording for _, recording in numbered]):
            # Recordings are read side by side: a note waits for the outcome of its own.
            own = [note for note in self._notes if note.startswith(f"{shown_name(outcome.recording.name)}:")]
            for note in own:
                self._notes.remove(note)
            done.append((numbers[id(outcome.recording)], outcome, own))
        return {"done": [pickle.dumps(done)]}


def _look(batch):
    groups = pickle.loads(batch["work"][0])
    return {"done": [pickle.dumps([(number, look(each), []) for group in groups for number, each in group])]}


def _sent(recording: Recording) -> Recording:
    """As a node knows it: by its absolute path."""
    return recording if is_address(recording.name) else replace(recording, name=os.path.abspath(recording.name))


def _received(given: Recording, outcome: Outcome, notes: list[str]) -> tuple[Recording, Outcome, list[str]]:
    """As the user knows it."""
    there, here = outcome.recording.name, given.name
    outcome = replace(outcome, recording=given, error=outcome.error.replace(there, here))
    return given, outcome, [note.replace(there, here) for note in notes]


def _packed(ir: Path, decoder, device: str, precision: Precision, alphabet) -> dict[str, Any]:
    """All that a Recognizer is made of, with the content of its files."""
    files = {"model.xml": ir, "model.bin": ir.with_suffix(".bin")}
    if alphabet is not None:
        files["alphabet.txt"] = Path(alphabet)
    if isinstance(decoder, Scorer):
        files |= decoder.files()
    content = {name: path.read_bytes() for name, path in files.items()}
    made = {"decoder": decoder, "device": device, "precision": precision, "alphabet": alphabet is not None}
    return {"files": content, **made}


def _unpacked(parts: dict[str, Any]) -> Recognizer:
    with temporary_directory() as folder:  # what is read stays open, or in memory
        for name, content in parts["files"].items():
            (folder / name).write_bytes(content)
        decoder = parts["decoder"]
        if isinstance(decoder, Scorer):
            decoder = decoder.moved(folder)
        alphabet = folder / "alphabet.txt" if parts["alphabet"] else None
        given: dict[str, Any] = {"config": {"INFERENCE_NUM_THREADS": 1}, "precision": parts["precision"]}
        found = Recognizer(folder / "model.xml", decoder, parts["device"], alphabet=alphabet, **given)
        found.stream().finish()
        return found


def _connected(address: str):
    """The module ray, connected to a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    needed("--cluster needs Ray: pip install 'ray[data]'.", "ray.data")
    import ray

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # what is missing is counted in `run`
    if ray.is_initialized():
        return ray
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address == LOCAL:
            environment = {"env_vars": {"PYTHONPATH": _python_path()}}
            ray.init("local", include_dashboard=False, runtime_env=environment, **quiet)
        else:
            _knock(address)
            ray.init(address, runtime_env={"py_modules": [str(_PACKAGE)]}, **quiet)
    except Exception as error:  # of many kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecipeError(f"--cluster {address}: no cluster can be reached ({reason.rstrip('.')}).") from None
    return ray


def _knock(address: str) -> None:
    """Raises OSError if nobody listens at 'host:port' or 'ray://host:port': Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(_PACKAGE.parent), os.environ.get("PYTHONPATH")]))
