"""Which tests `ci/test` leaves to `ci/test --all` in the environment with Model Optimizer."""

from types import SimpleNamespace

import pytest

from tests import conftest

pytestmark = pytest.mark.anywhere


class Item:
    """A test as far as the choice asks it."""

    def __init__(self, number: int, *marks: str, path="tests/test_a.py", fixtures=()):
        self.nodeid, self.path, self.originalname = f"{path}::test_b[{number}]", path, "test_b"
        self.number, self.marks, self.fixturenames = number, list(marks), list(fixtures)

    def get_closest_marker(self, name):
        return next((SimpleNamespace(name=each) for each in self.marks if each == name), None)

    def add_marker(self, name):
        self.marks.append(name)


def kept(monkeypatch, items, has_mo=True) -> list[int]:
    monkeypatch.setattr(conftest, "has_mo", lambda: has_mo)
    conftest.pytest_collection_modifyitems(items)
    return [item.number for item in items if "long" not in item.marks]


def test_of_those_that_the_other_environment_runs_too_every_tenth(monkeypatch):
    assert kept(monkeypatch, [Item(number) for number in range(25)]) == [0, 10, 20]
    two_files = [Item(number, path=f"tests/test_{number % 2}.py") for number in range(25)]
    assert kept(monkeypatch, two_files) == [0, 1, 20, 21]


@pytest.mark.parametrize("needs", [{"marks": ["requires_tf"]}, {"marks": ["requires_mo"]}, {"fixtures": ["tf"]}])
def test_of_those_that_it_cannot_run_all_or_the_last_and_every_tenth_before_it(monkeypatch, needs):
    def items(*marks):
        return [Item(n, *needs.get("marks", ()), *marks, fixtures=needs.get("fixtures", ())) for n in range(25)]

    assert kept(monkeypatch, items()) == list(range(25))
    assert kept(monkeypatch, items("sampled")) == [4, 14, 24]
    assert kept(monkeypatch, items("sampled")[:2]) == [1]


def test_without_model_optimizer_all(monkeypatch):
    items = [*(Item(number) for number in range(12)), Item(12, "requires_tf", "sampled")]
    assert kept(monkeypatch, items, has_mo=False) == list(range(13))


@pytest.mark.parametrize("needs", [{"marks": ["requires_mo"]}, {"fixtures": ["tf"]}])
def test_one_that_would_run_nowhere_is_an_error(monkeypatch, needs):
    item = Item(0, "anywhere", *needs.get("marks", ()), fixtures=needs.get("fixtures", ()))
    with pytest.raises(pytest.UsageError, match=r"marked anywhere, and with what they need: tests/test_a\.py::test_b"):
        kept(monkeypatch, [item])
