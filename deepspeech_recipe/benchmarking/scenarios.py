"""What is measured. Each scenario makes the entries that take turns; their measurements are the result."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deepspeech_recipe.benchmarking.contenders import PROGRAMS, Contender
from deepspeech_recipe.benchmarking.floor import least_of
from deepspeech_recipe.benchmarking.measurement import Measurement
from deepspeech_recipe.benchmarking.rounds import Entry
from deepspeech_recipe.processes.worker import Failed, Worker
from deepspeech_recipe.temporary import temporary_directory

FRAMES = 16  # of a chunk, as DeepSpeech's exported graphs
CHECKED_CHUNKS = 8


@dataclass
class Team:
    """The contenders and their workers, which live until the `with` block ends.

    A contender that cannot start, or whose file its worker does not take, gets a line in `failures`.
    """

    contenders: Sequence[Contender]
    threads: int
    workers: dict[str, Worker] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    versions: dict[str, dict] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Team":
        for contender in self.contenders:
            try:
                worker, versions = self.start(contender, self._stack)
            except Failed as failure:
                self.failures[contender.name] = str(failure)
                continue
            self.workers[contender.name], self.versions[contender.name] = worker, versions
        return self

    def __exit__(self, *error) -> None:
        self._stack.close()

    def again(self) -> "Team":
        """The same contenders with further workers, which end with these."""
        return self._stack.enter_context(Team(self.contenders, self.threads))

    def folder(self) -> str:
        """An empty directory that goes with the workers."""
        return str(self._stack.enter_context(temporary_directory()))

    def start(self, contender: Contender, stack: ExitStack) -> tuple[Worker, dict]:
        """A new worker with the contender's file, and its versions. stack: ends it."""
        program = PROGRAMS.get(contender.worker, contender.worker)
        environment = contender.environment
        worker = Worker(contender.python, program, self.threads, *contender.arguments, environment=environment)
        stack.enter_context(worker)
        versions = worker.ask("about")
        worker.ask("load", model=str(contender.model), **contender.options)
        return worker, versions

    @contextmanager
    def fresh(self, contender: Contender) -> Iterator[Worker]:
        """A worker that has done nothing yet."""
        with ExitStack() as stack:
            yield self.start(contender, stack)[0]

    def measurement(self, scenario: str, contender: Contender, unit: str, point=None) -> Measurement:
        failure = self.failures.get(contender.name, "")
        return Measurement(scenario, contender.name, unit, point, failure=failure)

    def entries(self, scenario: str, command: str, points: dict, warm: dict) -> list[Entry]:
        """The turns of all contenders, in which their workers are asked.

        points: what the scenario varies, or None → the command's arguments. warm: other arguments of the warm-up.
        """
        return [
            self.entry(contender, self.measurement(scenario, contender, "ms", point), command, arguments, warm)
            for point, arguments in points.items()
            for contender in self.contenders
        ]

    def entry(self, contender: Contender, measurement: Measurement, command: str, asked: dict, warm: dict) -> Entry:
        """The turns of one contender: its worker is asked, with other arguments to warm up."""
        worker = self.workers.get(contender.name)
        if worker is None:  # the measurement says why
            return Entry(list, [measurement])

        def run():
            result = worker.ask(command, **asked)
            measurement.facts |= {name: value for name, value in result.items() if name != "ms"}
            return [result["ms"]]

        return Entry(run, [measurement], lambda: worker.ask(command, **asked | warm))


def chunk(team: Team, repeat: int, frames: int = FRAMES) -> list[Entry]:
    """One chunk of one stream after the other, its state fed back."""
    return team.entries("chunk", "chunk", {None: {"frames": frames, "repeat": repeat}}, {"repeat": 1})


def floor(team: Team, frames: int = FRAMES) -> list[Entry]:
    """The least that a chunk of each IR costs here (`floor`), by its own OpenVINO."""
    found = []
    for contender in team.contenders:
        if contender.worker == "openvino" and contender.name in team.workers and (least := least_of(contender.model)):
            asked = {"frames": frames, **asdict(least)}
            found.append(team.entry(contender, team.measurement("floor", contender, "ms"), "least", asked, {}))
    return found


def utterance(team: Team, recordings: dict[float, Path], short: Path, scenario: str = "utterance") -> list[Entry]:
    """Audio to text. recordings: seconds → file; short: one to warm up with."""
    points = {seconds: {"audio": str(path)} for seconds, path in recordings.items()}
    return team.entries(scenario, "utterance", points, {"audio": str(short)})


def features(team: Team, recordings: dict[float, Path], short: Path) -> list[Entry]:
    """The part of an utterance that ends with the MFCCs."""
    points = {seconds: {"audio": str(path)} for seconds, path in recordings.items()}
    return team.entries("features", "features", points, {"audio": str(short)})


def corpus(team: Team, recordings: Sequence[Path], seconds: float, short: Path) -> list[Entry]:
    """All recordings as fast as they go, several in a call if the contender can, which then takes further turns with
    them one by one. seconds: of all of them."""
    asked, warm = {"audio": [str(path) for path in recordings]}, [str(short)]
    found = team.entries("corpus", "corpus", {seconds: asked}, {"audio": warm})
    for contender in team.contenders:
        if contender.worker == "openvino":
            measurement = team.measurement("one by one", contender, "ms", seconds)
            found.append(team.entry(contender, measurement, "corpus", {**asked, "batches": False}, {"audio": warm}))
    return found


def start(team: Team, audio: Path, short: Path) -> list[Entry]:
    """What a start costs, each time in a fresh process: compiling, without and with a model cache; compiling and a
    first utterance, `short`; the memory at work."""
    return [_start(team, contender, audio, short) for contender in team.contenders]


def _start(team: Team, contender: Contender, audio: Path, short: Path) -> Entry:
    units = {"compile": "ms", "compile, cached": "ms", "first utterance": "ms", "memory": "bytes"}
    found = [team.measurement(scenario, contender, unit) for scenario, unit in units.items()]

    def compile_times():
        with team.fresh(contender) as worker:
            return worker.ask("compile")["ms"]

    caches: list[str] = []

    def cached_times():
        if not caches:
            caches.append(team.folder())
            with team.fresh(contender) as worker:
                worker.ask("compile", cache=caches[0])
        with team.fresh(contender) as worker:
            return worker.ask("compile", cache=caches[0])["ms"]

    def first_utterance():
        with team.fresh(contender) as worker:
            parts = (worker.ask("compile"), worker.ask("utterance", audio=str(short)))
            return [sum(part["ms"][0] for part in parts)]

    def memory():
        with team.fresh(contender) as worker:
            before = worker.ask("memory")
            if "peak" not in before:
                raise Failed("the system does not tell a process's memory")
            worker.ask("utterance", audio=str(audio))
            return [worker.ask("memory")["peak"] - before["peak"]]

    def run():
        samples = []
        for measurement, measure in zip(found, (compile_times, cached_times, first_utterance, memory), strict=True):
            try:
                samples.append([] if measurement.failure else measure())
            except Failed as failure:
                measurement.failure = str(failure)
                samples.append([])
        return samples

    return Entry(run, found)


def differences(team: Team, frames: int = FRAMES) -> dict[str, float]:
    """The largest difference of each contender's probabilities from the first one's that gives any, over chained
    chunks: are they the same network at all?"""
    import numpy as np

    first, found = None, {}
    for contender in team.contenders:
        if contender.name not in team.workers:
            continue
        try:
            values = team.workers[contender.name].ask("probabilities", frames=frames, chunks=CHECKED_CHUNKS)
        except Failed:
            continue
        values = np.array(values, np.float64).reshape(CHECKED_CHUNKS * frames, -1)
        first = values if first is None else first
        if values.shape == first.shape:
            found[contender.name] = float(np.abs(values - first).max())
    return found
