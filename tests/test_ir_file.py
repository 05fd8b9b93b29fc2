"""What is asked of an IR's file before OpenVINO's native code reads it."""

import re

import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.ir.read import read_ir
from tests.support import runtime_models


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The text of an IR with internal state, beside its .bin."""
    path = tmp_path_factory.mktemp("ir") / "m.xml"
    ov.save_model(runtime_models.model("internal state"), path, compress_to_fp16=False)
    return path, path.read_text()


@pytest.mark.parametrize("operation", ["ReadValue", "Assign"])
def test_a_state_without_a_name_is_refused(written, operation):
    """OpenVINO 2024.6 follows a null pointer there."""
    path, text = written
    damaged, count = re.subn(rf'(type="{operation}"[^>]*>\s*<data) variable_id="[^"]*"', r"\1", text, count=1)
    assert count == 1
    path.write_text(damaged)
    with pytest.raises(RecipeError, match=r"m\.xml: .* layer '[^']+' keeps a state, but does not say which"):
        read_ir(path)


@pytest.mark.parametrize("operation", ["Broadcast", "Slice"])
def test_an_operation_without_its_inputs_is_refused(written, operation):
    """OpenVINO 2026.4 reads what is not there."""
    path, text = written
    path.write_text(text.replace('type="Const"', f'type="{operation}"', 1))
    with pytest.raises(RecipeError, match=r"m\.xml: is damaged: the layer '[^']+' has fewer inputs than its operation"):
        read_ir(path)


@pytest.mark.parametrize("attribute", ["element_type", "shape", "offset", "size"])
def test_a_constant_without_its_attributes_is_refused(written, attribute):
    """OpenVINO 2024.6 reads a constant without a shape, and dies when it compiles the model."""
    path, text = written
    damaged, count = re.subn(rf'(type="Const"[^>]*>\s*<data[^>]*?) {attribute}="[^"]*"', r"\1", text, count=1)
    assert count == 1
    path.write_text(damaged)
    with pytest.raises(RecipeError, match=rf"m\.xml: is damaged: the constant '[^']+' has no {attribute}"):
        read_ir(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("</net>", "", "not well-formed XML"),
        ("<net ", "<what><net ", "not well-formed XML"),
        ('version="11"', 'version="9"', "does not begin with <net> of version 10 or 11"),
        ('type="Parameter"', 'type="\x1b"', "not well-formed XML"),
        ('type="Parameter"', 'type="Par\u2028ameter"', "is not an IR that OpenVINO can read"),
        ('element_type="f32"', 'element_type="' + 3000 * "x" + '"', "is not an IR that OpenVINO can read"),
    ],
)
def test_damaged_files_are_refused_in_one_line_and_nothing_is_printed(written, old, new, reason, capfd):
    """OpenVINO tries its other frontends on what is not an IR, and these print."""
    path, text = written
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RecipeError, match=reason) as refused:
        read_ir(path)
    assert str(path) in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("value", ["2147483648", "4294967296", " 0012884901888", "9" * 5000])
def test_a_runtime_option_out_of_range_is_refused(written, value):
    """OpenVINO 2024.6 divides by the size of groups, of which it keeps 32 bits."""
    path, text = written
    options = f'<runtime_options><DYNAMIC_QUANTIZATION_GROUP_SIZE value="{value}" /></runtime_options></rt_info>'
    before, _, after = text.rpartition("</rt_info>")
    path.write_text(before + options + after)
    with pytest.raises(RecipeError, match=r"its runtime option DYNAMIC_QUANTIZATION_GROUP_SIZE is [0-9]+, at most"):
        read_ir(path)


def test_the_file_as_it_was_is_read(written):
    path, text = written
    path.write_text(text)
    assert len(read_ir(path).get_sinks()) == 2
