"""Someone writes a recipe for a fork of DeepSpeech, and gets a field of it wrong."""

import re

import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recipes import registry
from deepspeech_recipe.sources import open_model
from tests.support.contract import case

ACOUSTIC = (
    "from dataclasses import replace\nfrom deepspeech_recipe.recipes import Tensor, deepspeech\nNAME = 'mine'\n"
    "def recognise(view): return replace(deepspeech.recognise(view), {})\n"
)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ("head='softmax'", "`head` is 'softmax'. It must be 'probabilities' or 'raw'"),
        ("classes=7", "`classes` is 7, but the last of `dense_sizes` is 10"),
        ("n_input=5", "`window_frames` and `n_input` make windows of [5, 5] numbers, but 'input_node:0' has [5, 6]"),
        ("time_steps='16'", "`time_steps` is '16'. It must be a whole number above zero, or None"),
        ("to_logits='nope'", "`to_logits` is 'nope'. It must be the name of a Reshape"),
        (
            "windows=Tensor('input_lengths')",
            "`windows` is Tensor(node='input_lengths', port=0). It must be the Tensor",
        ),
        ("lstms=()", "`lstms` is (). It must be a tuple of Lstm"),
        ("state_c=None", "`state_c` is None. It must be a State"),
        ("metadata={'language': 'cy'}", "`metadata` is {'language': 'cy'}. It must be a Metadata"),
        ("audio=7", "`audio` is 7. It must be an AudioPart, or None"),
        ("head='x' * 99", f"`head` is '{'x' * 79}…. It must be"),
    ],
)
def test_an_acoustic_model_of_a_recipe_that_cannot_be(tmp_path, changed, reason):
    (tmp_path / "mine.py").write_text(ACOUSTIC.format(changed))
    recipe = registry.load(tmp_path / "mine.py")
    view = GraphView.of(open_model(case("v0.9").path).graph)
    with pytest.raises(RecipeError, match=rf"^[^\n]*mine\.py: {re.escape(reason)}"):
        recipe.recognise(view)
