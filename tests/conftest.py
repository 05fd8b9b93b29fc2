"""Fixtures, the markers for what an environment may lack, and the rule that skips must be on a list."""

import importlib.util

import pytest

from tests.skips import Skips, environment

_MARKERS = {
    "requires_tf": ("tensorflow", "needs TensorFlow"),
    "requires_mo": ("openvino.tools.mo", "needs openvino.tools.mo (openvino-dev)"),
}


def _available(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def pytest_configure(config):
    for name, (_, reason) in _MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {reason}; skipped where it is absent")
    config.pluginmanager.register(Skips(config), "listed-skips")


def pytest_report_header(config):
    return f"environment: {environment()}"


def pytest_runtest_setup(item):
    for name, (module, reason) in _MARKERS.items():
        if item.get_closest_marker(name) and not _available(module):
            pytest.skip(reason)


@pytest.fixture(scope="session")
def tf():
    """The tensorflow module, quiet and on the CPU; skips where it is absent."""
    if not _available("tensorflow"):
        pytest.skip(_MARKERS["requires_tf"][1])
    from tests.reference import tensorflow

    return tensorflow()


@pytest.fixture(scope="session")
def requires_mo():
    """Skips where Model Optimizer is absent."""
    if not _available("openvino.tools.mo"):
        pytest.skip(_MARKERS["requires_mo"][1])


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
