"""verify compares what an IR says of itself with what its model says; what the user typed is noted, not doubted."""

from types import SimpleNamespace

import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.conversion import convert as conversion
from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.verification import metadata, run, verify
from deepspeech_recipe.verification.diagnose import diagnose
from tests.support import verify_models as models

# A recipe of a model that this one is not.
PLAIN = """from deepspeech_recipe.recipes import NoMatch

NAME = "plain"


def recognise(view):
    raise NoMatch("no")
"""
LETTERS = "".join(f"{letter}\n" for letter in "zyxwvutsr")


@pytest.fixture(autouse=True)
def _hear_little(monkeypatch):
    models.hear_little(monkeypatch)


def test_what_was_typed_is_noted_and_not_compared(tmp_path):
    path = convert(
        models.graph("v0.9"), tmp_path, converter="openvino", verify=False, beam_width=77, language="xx"
    ).files[0]
    report = verify(models.graph("v0.9"), path, reference="numpy")
    assert report.passed, "\n".join(report.lines())
    assert report.notes == tuple(
        f"metadata: '{key}' was given when the model was converted, and is not compared"
        for key in ("beam_width", "language")
    )
    assert diagnose(models.graph("v0.9"), path).passed
    # Where the same was typed again, it is compared.
    typed = open_model(models.graph("v0.9"), beam_width=77, language="xx")
    assert verify(typed, path, reference="numpy").notes == ()
    other = open_model(models.graph("v0.9"), beam_width=78, language="xx")
    check = verify(other, path, reference="numpy").check("metadata")
    assert (check.passed, check.detail) == (False, "'beam_width' is 77 in the IR, 78 in the model")


def test_a_value_that_nobody_typed_is_wrong():
    model = models.with_metadata(models.ir("v0.9"), beam_width=77)
    check = verify(models.graph("v0.9"), model, reference="numpy").check("metadata")
    assert (check.passed, check.figure) == (False, 1)
    assert "'beam_width' is 77 in the IR" in check.detail


def test_the_alphabet_of_a_model_without_one(tmp_path):
    """v0.3 says nothing: what was typed is the only alphabet there is, for both texts."""
    (tmp_path / "letters.txt").write_text(LETTERS)
    path = convert(
        models.graph("v0.3"), tmp_path, converter="openvino", verify=False, alphabet=tmp_path / "letters.txt"
    ).files[0]
    report = verify(models.graph("v0.3"), path, reference="numpy")
    assert report.passed, "\n".join(report.lines())
    assert any("'alphabet' was given" in note for note in report.notes)
    assert all(result.text == result.expected_text and result.text.isalpha() for result in report.recordings)


def test_both_texts_have_their_own_letters():
    alphabet = {"encoding": "utf-8", "labels": list("zyxwvutsr")}
    report = verify(models.graph("v0.9"), models.with_metadata(models.ir("v0.9"), alphabet=alphabet), reference="numpy")
    failed = [check.name for check in report.checks if not check.passed]
    assert failed == ["metadata", "text"]
    assert any(result.text != result.expected_text for result in report.recordings)


def test_a_model_that_is_not_recognised_any_more(monkeypatch):
    def refuse(view, recipes):
        raise RecipeError("no")

    monkeypatch.setattr(metadata, "recognise", refuse)
    report = verify(models.graph("v0.9"), models.ir("v0.9"), reference="numpy")
    assert report.passed
    assert report.notes == ("the metadata are not compared: this version does not recognise the model",)


class Called(Exception):
    pass


def test_the_recipe_goes_to_verify_from_every_door(monkeypatch, tmp_path):
    """A fork's tensors are found by its recipe only: `convert` and both commands hand it on."""
    (tmp_path / "fork.py").write_text(PLAIN)
    recipe = str(tmp_path / "fork.py")
    graph, ir = str(models.graph("v0.9")), str(models.ir_file("v0.9"))

    def called(source, given=None):
        raise Called(given)

    monkeypatch.setattr("deepspeech_recipe.verification.pair.find_original", called)
    for command in ("verify", "diagnose"):
        with pytest.raises(Called, match=r"fork\.py"):
            main([command, graph, ir, "--recipe", recipe])

    def compared(source, path, **options):
        raise Called(options["recipe"])

    monkeypatch.setattr(conversion, "compare", compared)
    job = SimpleNamespace(source=None, options=SimpleNamespace(recipe=recipe), log=lambda line: None)
    with pytest.raises(Called, match=r"fork\.py"):
        conversion._verify(job, SimpleNamespace(files=[ir]))


def test_the_recipe_goes_to_the_check_of_the_metadata(monkeypatch, tmp_path):
    seen = []

    def check(original, ir, recipe):
        seen.append(recipe)
        raise Called

    monkeypatch.setattr(run, "check_metadata", check)
    (tmp_path / "plain.py").write_text(PLAIN)
    with pytest.raises(Called):
        verify(models.graph("v0.9"), models.ir("v0.9"), reference="numpy", recipe=tmp_path / "plain.py")
    assert seen == [tmp_path / "plain.py"]
