"""A plugin of pytest, `-p ci.mutation.order --order reversed`: no test may depend on those that ran before it.

Files are exchanged, and tests within their files: whole files share their fixtures still.
"""

import random

import pytest


def pytest_addoption(parser):
    parser.addoption("--order", choices=("reversed", "shuffled"), required=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if config.getoption("--order") == "reversed":
        items.reverse()
        return
    chance = random.Random(13)  # the same in every process of a run
    files: dict[str, list] = {}
    for item in items:
        files.setdefault(item.nodeid.split("::")[0], []).append(item)
    for tests in files.values():
        chance.shuffle(tests)
    names = list(files)
    chance.shuffle(names)
    items[:] = [item for name in names for item in files[name]]
