"""Names of an IR's tensors: every alias that is wanted, and none twice."""

import numpy as np

from deepspeech_recipe.ir.names import name_tensors
from deepspeech_recipe.ir.ov_api import opset, ov
from tests.support.contract import check_unique_names


def model(outputs: list[set[str]]):
    x = opset.parameter([2], np.float32, name="p")
    x.output(0).get_tensor().set_names({"p:0"})
    results = []
    for number, names in enumerate(outputs, 1):
        value = opset.multiply(x, np.float32(number))
        value.output(0).get_tensor().set_names(names)
        results.append(opset.result(value))
    return ov.Model(results, [x], "named")


def test_a_tensor_is_found_by_an_alias_and_gets_all_names_in_both_forms():
    found = model([{"head:0"}])
    name_tensors(found, {"samples": {"p"}}, {"logits": {"head", "scores"}})
    assert found.output(0).get_names() == {"head", "head:0", "scores", "scores:0", "logits", "logits:0"}
    assert found.input(0).get_names() == {"p", "p:0", "samples", "samples:0"}
    assert found.get_parameters()[0].get_friendly_name() == "samples"


def test_an_alias_that_another_tensor_has_stays_that_ones():
    found = model([{"head:0"}, {"raw:0"}])
    name_tensors(found, {}, {"logits": {"head", "raw", "p"}})
    assert found.output(0).get_names() == {"head", "head:0", "logits", "logits:0"}
    assert found.output(1).get_names() == {"raw:0"}
    check_unique_names(found)


def test_names_that_the_framework_gave_to_each_other_are_exchanged():
    found = model([{"logits:0"}, {"raw:0"}])
    name_tensors(found, {}, {"logits": {"raw"}, "raw": {"logits"}})
    assert [output.get_names() for output in found.outputs] == [{"raw", "raw:0"}, {"logits", "logits:0"}]


def test_what_the_model_does_not_have_is_passed_over():
    found = model([{"head:0"}])
    name_tensors(found, {"lengths": {"input_lengths"}}, {"mfccs": set()})
    assert (found.input(0).get_names(), found.output(0).get_names()) == ({"p:0"}, {"head:0"})
