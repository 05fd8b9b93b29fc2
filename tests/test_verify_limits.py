"""Every limit of verify and diagnose: what is a little below it passes, what is a little above fails.

The figures stand here once more: limits are measured, and whoever moves one measures again.
"""

import numpy as np
import pytest

from deepspeech_recipe.verification import diagnose as diagnosing
from deepspeech_recipe.verification import weights
from deepspeech_recipe.verification.acoustic import Run
from deepspeech_recipe.verification.activations import AS_IT_IS, EXACT, ROUNDED
from deepspeech_recipe.verification.checks import checks_of, number_of_windows
from deepspeech_recipe.verification.compare import Comparison
from deepspeech_recipe.verification.plot import plotter
from deepspeech_recipe.verification.stages import rounding_stages, stages_of

LABELS = [b"a", b"b", b"c"]
FP32 = {"probabilities": 2e-5, "average": 2e-6, "states": 5e-5, "margin": 4e-5, "stage": 5e-5}
LIMITS = {
    "fp32": FP32,
    "int8": FP32,
    "fp16": {"probabilities": 1e-2, "average": 2e-3, "states": 1e-2, "margin": 2e-2, "stage": 1e-2},
}


def run(probabilities, c=None, h=None, layers=None, calls=()) -> Run:
    return Run(np.array(probabilities, np.float64), c, h, layers or {}, calls)


def comparison(expected: Run, found: Run, others=None, chunks=(4, 6)) -> Comparison:
    valid = np.ones(expected.probabilities.shape[:2], bool)
    return Comparison("a recording", chunks, expected, {AS_IT_IS: found, **(others or {})}, valid)


def flat() -> np.ndarray:
    """Ten windows of two rows, one class clearly the best."""
    return np.tile(np.array([0.1, 0.7, 0.15, 0.05]), (10, 2, 1))


def failed(expected: Run, found: Run, kind: str) -> set[str]:
    checks = checks_of([comparison(expected, found)], weights.LIMITS[kind], (LABELS, LABELS))
    return {check.name.split(" after")[0] for check in checks if not check.passed}


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize(("factor", "fails"), [(0.9, False), (1.1, True)])
def test_probabilities_of_one_window(kind, factor, fails):
    found = flat()
    found[7, 1, 2] += factor * LIMITS[kind]["probabilities"]
    assert ("probabilities" in failed(run(flat()), run(found), kind)) is fails


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize(("factor", "fails"), [(0.9, False), (1.1, True)])
def test_the_average(kind, factor, fails):
    found = flat() + np.array([0, 0, 1, 0]) * factor * LIMITS[kind]["average"]
    assert failed(run(flat()), run(found), kind) == ({"probabilities on average"} if fails else set())


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("part", ["c", "h"])
@pytest.mark.parametrize(("factor", "fails"), [(0.9, False), (1.1, True)])
def test_states_in_units_of_the_largest(kind, part, factor, fails):
    states = np.full((2, 2, 5), 4.0)
    other = states.copy()
    other[1, 0, 3] += factor * LIMITS[kind]["states"] * 4
    found = failed(run(flat(), states, states), run(flat(), **{"c": states, "h": states, part: other}), kind)
    assert found == ({"cell state" if part == "c" else "hidden state"} if fails else set())


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize(("factor", "fails"), [(0.9, False), (1.1, True)])
def test_another_best_class_and_text(kind, factor, fails):
    """If the two best are further apart than an allowed difference can exchange them."""
    expected, found = flat(), flat()
    expected[3:5, 1] = found[3:5, 1] = [0.1, 0.4, 0.4, 0.1]
    expected[3:5, 1, 1] += factor * LIMITS[kind]["margin"]
    found[3:5, 1, 2] += 1e-9
    names = failed(run(expected), run(found), kind)
    assert ("best class" in names) is fails
    assert ("text" in names) is fails


def test_letters_of_both_alphabets_are_compared():
    checks = checks_of([comparison(run(flat()), run(flat()))], weights.LIMITS["fp32"], (LABELS, [b"b", b"a", b"c"]))
    assert [check.name for check in checks if not check.passed] == ["text"]


def test_a_picture_tells_errors_apart_down_to_a_billionth(tmp_path, monkeypatch):
    figure, drawn = pytest.importorskip("matplotlib.figure"), []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, path, **options: drawn.append(self) or path.touch())
    found = flat()
    found[2, 0, 0] += 1e-8
    plotter()([comparison(run(flat()), run(found))], 2e-5, tmp_path / "a.png")
    axis = drawn[0].axes[2]
    assert axis.get_ylim() == (1e-9, 2)
    np.testing.assert_allclose(axis.get_lines()[0].get_ydata(), [1e-9, 1e-9, 1e-8, *[1e-9] * 7], rtol=1e-6)


def test_one_window_too_few():
    assert number_of_windows([comparison(run(flat()), run(flat()))]).passed
    wrong = number_of_windows([comparison(run(flat()), run(flat()[:-1]))])
    assert (wrong.passed, wrong.figure) == (False, 1)


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize(("factor", "fails"), [(0.9, False), (1.1, True)])
def test_a_stage_in_units_of_its_largest_value(kind, factor, fails):
    layer = np.full((10, 2, 5), 3.0)
    other = layer.copy()
    other[8, 1, 2] += factor * LIMITS[kind]["stage"] * 3
    expected, found = run(flat(), layers={"dense_2": [layer]}), run(flat(), layers={"dense_2": [other]})
    stages = [
        (chunk, stage.name)
        for chunk, _, stages in stages_of(comparison(expected, found), diagnosing.LIMITS[kind])
        for stage in stages
        if not stage.passed
    ]
    assert stages == ([(2, "dense_2")] if fails else [])


@pytest.mark.parametrize(("factor", "fails"), [(0.9, False), (1.1, True)])
def test_features_have_a_limit_of_their_own(factor, fails):
    assert weights.FEATURE_LIMIT == 1e-5
    layer = np.full((10, 2, 5), 30.0)
    other = layer + factor * 1e-5 * 30
    expected, found = run(flat(), layers={"features": [layer]}), run(flat(), layers={"features": [other]})
    (stages, *_) = (stages for _, _, stages in stages_of(comparison(expected, found), 1e-2))
    assert [stage.passed for stage in stages if stage.name == "features"] == [not fails]


@pytest.mark.parametrize(("factor", "fails"), [(0.0, False), (1.45, False), (1.6, True)])
def test_rounded_activations_may_do_what_rounding_explains(factor, fails):
    """One window moved: by the exact numbers nothing is, by this device's `factor` times what rounding explains."""
    explained, moved = flat(), flat()
    explained[4, 0, 2] += 0.01
    moved[4, 0, 2] += factor * 0.01
    runs = {EXACT: run(flat()), AS_IT_IS: run(moved), ROUNDED: run(explained)}
    found = Comparison("a recording", (4, 6), run(flat()), runs, np.ones((10, 2), bool))
    checks = checks_of([found], weights.LIMITS["int8"], (LABELS, LABELS))
    names = [check.name for check in checks if not check.passed]
    assert names == (["rounded activations", "rounded activations on average"] if fails else names)
    assert ("rounded activations" in names) is fails
    assert [stage.name for stage in rounding_stages(found, 5e-5) if not stage.passed] == (
        ["head, activations rounded"] if fails else []
    )


def test_rounded_activations_on_average():
    """Windows that rounding hardly moves are moved by as much as the one that it moves most."""
    explained, moved = flat(), flat()
    explained[4, 0, 2] += 0.01
    moved[:, :, 2] += 0.01
    runs = {EXACT: run(flat()), AS_IT_IS: run(moved), ROUNDED: run(explained)}
    found = Comparison("a recording", (4, 6), run(flat()), runs, np.ones((10, 2), bool))
    checks = checks_of([found], weights.LIMITS["int8"], (LABELS, LABELS))
    assert [check.name for check in checks if not check.passed] == ["rounded activations on average"]
