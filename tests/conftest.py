"""Fixtures, the markers for what an environment may lack, and the rule that skips must be on a list."""

import os
from collections import defaultdict

import pytest

from deepspeech_recipe.files import TRACEBACK
from tests.support.limits import Limits
from tests.support.skips import Skips, environment, has_mo, has_tensorflow

_MARKERS = {
    "requires_tf": (has_tensorflow, "needs TensorFlow"),
    "requires_mo": (has_mo, "needs openvino.tools.mo (openvino-dev)"),
}
# The fixtures that skip as these marks do.
_FIXTURES = {"tf", "requires_mo"}
# The mark of tests of what does not depend on the versions of OpenVINO, TensorFlow and numpy: texts, types and commands
# of the repository, and what is built on the runtime, which is tested in both environments itself.
_ANYWHERE = "anywhere"
# `ci/test` leaves tests with the mark `long` to `ci/test --all`: those that take long for what a shorter one sees
# nearly as well. Tests that need neither TensorFlow nor Model Optimizer run in the other environment too: in the one
# with both, nine in ten of a file are long. So are most cases of a test with the mark `sampled`: the last, and every
# tenth before it, are not.
_SAMPLED, _LONG = "sampled", "long"
_EACH = 10


def pytest_addoption(parser):
    parser.addoption("--limits", action="store_true", help="list every limit of a number with the largest error seen")


def pytest_configure(config):
    os.environ[TRACEBACK] = "1"  # what is not foreseen is a fault here
    os.environ.setdefault("CI", "true")  # without it, OpenVINO sends messages about its use from copies of this process
    for name, (_, reason) in _MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {reason}; skipped where it is absent")
    config.addinivalue_line("markers", f"{_ANYWHERE}: the same in every environment; ci/test runs it in one")
    config.addinivalue_line("markers", f"{_LONG}: left to ci/test --all")
    config.addinivalue_line(
        "markers", f"{_SAMPLED}: all cases that need Model Optimizer or TensorFlow but a tenth are {_LONG}"
    )
    config.pluginmanager.register(Skips(config), "listed-skips")
    config.pluginmanager.register(Limits(config), "limits")


def pytest_report_header(config):
    return f"environment: {environment()}"


@pytest.hookimpl(tryfirst=True)  # before pytest's own selects by marks
def pytest_collection_modifyitems(items):
    """A test that runs in one environment and needs the other would run in none. Then marks what is `long`."""
    both = [item.nodeid for item in items if item.get_closest_marker(_ANYWHERE) and _needs_more(item)]
    if both:
        raise pytest.UsageError(f"marked {_ANYWHERE}, and with what they need: {', '.join(both)}")
    if not has_mo():
        return
    shared, sampled = defaultdict(list), defaultdict(list)
    for item in items:
        if not _needs_more(item):
            shared[item.path].append(item)
        elif item.get_closest_marker(_SAMPLED):
            sampled[item.path, item.originalname].append(item)
    for tests in (*shared.values(), *(reversed(cases) for cases in sampled.values())):
        for number, item in enumerate(tests):
            if number % _EACH:
                item.add_marker(_LONG)


def _needs_more(item) -> bool:
    """Whether it needs what one of the environments lacks."""
    return any(item.get_closest_marker(name) for name in _MARKERS) or not _FIXTURES.isdisjoint(item.fixturenames)


def pytest_runtest_setup(item):
    for name in _MARKERS:
        if item.get_closest_marker(name):
            _need(name)


def _need(name: str) -> None:
    available, reason = _MARKERS[name]
    if not available():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def tf():
    """The tensorflow module, quiet and on the CPU; skips where it is absent."""
    _need("requires_tf")
    from tests.support.reference import tensorflow

    return tensorflow()


@pytest.fixture(scope="session")
def requires_mo():
    """Skips where Model Optimizer is absent."""
    _need("requires_mo")


@pytest.fixture(scope="session", autouse=True)
def _mo_in_this_process():
    """`convert` by mo without a process for each; yields what starts a real one."""
    if not has_mo():
        yield None
        return
    from deepspeech_recipe.converters import mo
    from tests.support.mo_run import run_here

    real = mo.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mo, "run", run_here)
        yield real


@pytest.fixture
def real_mo(_mo_in_this_process, monkeypatch):
    """`convert` starts the command `mo`, as it does for users."""
    if _mo_in_this_process is not None:
        from deepspeech_recipe.converters import mo

        monkeypatch.setattr(mo, "run", _mo_in_this_process)


@pytest.fixture(scope="session")
def deepspeech(tf):
    """`deepspeech(version, **options)`: a synthetic graph with distinct sizes, cached by its options."""
    from tests.graphs.deepspeech import build

    return build


@pytest.fixture(scope="session")
def graph_file(tf, tmp_path_factory):
    """`graph_file(version, **options)`: path of such a graph as a .pb file, written once per session."""
    from tests.graphs.deepspeech import build

    folder, files = tmp_path_factory.mktemp("graphs"), {}

    def write(version: str = "0.9", **options):
        graph = build(version, **options)
        if graph.options not in files:
            files[graph.options] = graph.save(folder / f"v{version}-{len(files)}.pb")
        return files[graph.options]

    return write


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """The user's cache directory is none of the tests' business."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
