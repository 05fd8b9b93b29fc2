"""A damaged IR fails, and diagnose names the stage; an undamaged one passes both, in every form."""

from pathlib import Path

import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.passes.compress import compress_weights, dense_layers
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.verification import compare, verify
from deepspeech_recipe.verification.diagnose import diagnose
from tests.support import damages
from tests.support import verify_models as models
from tests.support.bundled import MODEL, bundled_ir
from tests.support.damages import DAMAGES, FORMS, damaged


@pytest.fixture(autouse=True)
def _hear_little(monkeypatch):
    models.hear_little(monkeypatch)
    monkeypatch.setattr(compare, "_RANDOM_WINDOWS", 40)


@pytest.fixture(scope="module")
def source():
    return open_model(models.graph(damages.GRAPH))


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_an_undamaged_ir_passes(form, source, tmp_path):
    for report in (
        verify(source, damaged(None, form, tmp_path), reference="numpy"),
        diagnose(source, damaged(None, form, tmp_path)),
    ):
        assert report.passed, "\n".join(report.lines())


def _cases():
    """Each damage in the first of its forms, and in another one by turns; every change tries one of both."""
    for number, damage in enumerate(DAMAGES):
        others = damage.forms[1:]
        forms = [damage.forms[0], others[number % len(others)]]
        if damage.check == "metadata":  # which are read in the same way in all forms
            forms.pop()
        for place, form in enumerate(forms):
            left = len(forms) == 2 and place == number % 2
            yield pytest.param(damage, form, marks=[pytest.mark.long] if left else [])


@pytest.mark.parametrize(("damage", "form"), [*_cases()], ids=lambda each: getattr(each, "name", each))
def test_damage_is_seen_and_its_stage_named(damage, form, source, tmp_path):
    report = verify(source, damaged(damage, form, tmp_path), reference="numpy")
    failed = {damages.kind_of(check.name) for check in report.checks if not check.passed}
    assert damage.check_in(form) in failed, "\n".join(report.lines())
    assert report.exit_code == 1
    found = diagnose(source, damaged(damage, form, tmp_path))
    assert found.first == damage.stage_in(form), "\n".join(found.lines())
    assert found.exit_code == 1


def test_every_form_has_its_damages():
    seen = {case.values[1] for case in _cases()}
    assert seen == set(FORMS)
    names = [damage.name for damage in DAMAGES]
    assert len(names) == len(set(names))


def test_layers_of_equal_sizes_exchanged():
    """Of the bundled model, whose dense layers have the same sizes: the weights are right, the numbers are not."""
    source = open_model(MODEL)
    for finish in (lambda model: model, lambda model: compress_weights(model, activations="fp32")):
        model = ov.Core().read_model(bundled_ir())
        one, other = (dense_layers(model)[name].input_value(1).get_node() for name in ("dense_2", "dense_3"))
        values = [node.get_data().copy() for node in (one, other)]
        for node, value in zip((one, other), values[::-1], strict=True):
            models.replace_constant(node, value)
        report = verify(source, finish(model), reference="numpy")
        failed = [check.name for check in report.checks if not check.passed]
        assert "probabilities after 1 chunk" in failed
        assert "weights" not in failed
        assert diagnose(source, finish(model)).first == "dense_2"


@pytest.mark.parametrize("name", ["state inputs exchanged", "state outputs exchanged", "state lost between calls"])
def test_what_goes_wrong_between_the_blocks_of_a_stream(name, source, tmp_path):
    """What every call exchanges is back after two: two of the built-in blocks with rows follow each other."""
    (damage,) = (each for each in DAMAGES if each.name == name)
    assert not verify(source, damaged(damage, "streaming", tmp_path), reference="numpy").passed
    assert diagnose(source, damaged(damage, "streaming", tmp_path)).first == "initial states"


GENERAL = Path(__file__).parent / "fixtures" / "rnn" / "layers.pb"
WEIGHTS = ({}, {"weights": "fp16"}, {"weights": "int8"}, {"weights": "int8", "activations": "fp32"})


@pytest.mark.long
@pytest.mark.requires_tf
@pytest.mark.parametrize("options", WEIGHTS, ids=str)
def test_a_model_of_another_recipe(options, tmp_path):
    """With weights of 8 bits as strictly as with 32: a scale that is 2 % off is seen."""
    path = convert(GENERAL, tmp_path, converter="openvino", verify=False, **options).files[0]
    for report in (verify(GENERAL, path, reference="numpy"), diagnose(GENERAL, path)):
        assert report.passed, "\n".join(report.lines())
    if "int8" not in options.values():
        return
    for rows, place in ((slice(None), 0), (slice(2, 3), 0), (slice(2, 3), -1)):
        model = damages.stored_scale(rows, ov.Core().read_model(path), 0.02, place)
        report = verify(GENERAL, model, reference="numpy")
        assert not report.check("weights").passed
        assert not report.check("output 'out'").passed  # gate f and the recurrent matrix need two steps or more
        assert diagnose(GENERAL, model).first != "weights"


@pytest.mark.requires_tf
@pytest.mark.parametrize("name", ["switch", "while"])
def test_loops_of_another_recipe_are_not_suspected(name, tmp_path):
    """One of them has a tensor that kept its name and has its axes in another order."""
    graph = GENERAL.with_name(f"{name}.pb")
    for weights in ("fp32", "int8"):
        path = convert(graph, tmp_path / weights, converter="openvino", verify=False, weights=weights).files[0]
        for report in (verify(graph, path), diagnose(graph, path)):
            assert report.passed, "\n".join(report.lines())
