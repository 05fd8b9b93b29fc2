"""The metadata of an IR: what it may hold, and one line that names the key where it holds something else."""

import copy
import json

import pytest

from deepspeech_recipe.cli import main
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.metadata import PATH, read_metadata, write_metadata
from deepspeech_recipe.ir.metadata_schema import check_metadata
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.runtime import Recognizer
from tests.support import runtime_models
from tests.support.bundled import bundled_ir, transcripts
from tests.support.runtime_models import speech

STATEFUL = {
    "recipe": "keyword", "recipe_version": "0.1.0", "converter": "openvino 2024.6.0", "state": "external",
    "states": {"h": "new_h"}, "inputs": ["x"], "outputs": ["y"], "graph": {"h": ["a"], "new_h": ["b", "c"]},
    "initial_state": {"h": [[0.5, 1]]}, "classes": ["yes", "no"], "sample_rate": 8000.5,
}  # fmt: skip


@pytest.fixture
def whole() -> dict:
    """Its own for each test, some of which damage it."""
    return read_metadata(ov.Core().read_model(bundled_ir()))


def test_what_conversions_write_fits(whole):
    check_metadata(whole, ("n_context", "n_input", "alphabet"))
    check_metadata(STATEFUL)  # with keys of a recipe's own
    assert len(whole) > 20


# dotted key, value, what it must be
WRONG = [
    ("sample_rate", "16000", "a whole number from 1 to 768000"),
    ("sample_rate", 0, "a whole number from 1 to 768000"),
    ("sample_rate", True, "a whole number"),
    ("n_input", None, "a whole number"),
    ("n_context", -1, "a whole number from 0 to 4096"),
    ("n_context", 10**12, "a whole number from 0 to 4096"),
    ("n_context", 9.5, "a whole number"),
    ("beam_width", [500], "a whole number"),
    ("upper_frequency", float("nan"), "a number from 0"),
    ("language", {}, "a text"),
    ("generation", "\ud800", "a text"),
    ("layer_norm", "no", "true or false"),
    ("head", "tail", "one of probabilities, raw"),
    ("state", ["external"], "one of external, internal, none"),
    ("audio", 1, "one of none, separate, attached"),
    ("time_steps", "any", "a whole number from 1 to 2147483647 or 'dynamic'"),
    ("dense_sizes", [1, "2"], "a list of sizes"),
    ("alphabet", ["a"], "an encoding (utf-8 or base64) and labels"),
    ("alphabet", {"labels": ["a"]}, "an encoding (utf-8 or base64) and labels"),
    ("alphabet", {"encoding": "utf-8", "labels": [1]}, "an encoding"),
    ("alphabet", {"encoding": "base64", "labels": ["%"]}, "an encoding"),
    ("features", [], "an object"),
    ("features.window_size", 2**40, "a whole number from 2 to 1048576"),
    ("features.dct_coefficient_count", {}, "a whole number"),
    ("features.lower_frequency_limit", float("inf"), "a number from 0"),
    ("features.more", 1, "an object of window_size, stride"),
    ("initial_state", {"c": [[1, 2], [3]]}, "finite numbers, in rows of equal length"),
    ("initial_state", {"c": "0.5"}, "finite numbers"),
    ("initial_state", {"c": []}, "finite numbers"),
    ("initial_state", [1], "finite numbers"),
]


@pytest.mark.parametrize(("key", "value", "what"), WRONG)
def test_a_wrong_value_is_named(whole, key, value, what):
    metadata = copy.deepcopy(whole)
    place, _, inner = key.rpartition(".")
    (metadata[place] if place else metadata)[inner] = value
    with pytest.raises(RecipeError) as caught:
        check_metadata(metadata)
    assert f"{key.removesuffix('.more')}" in str(caught.value)
    assert f"it must be {what}" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("key", "value"), [
    ("states", ["h"]), ("states", {"h": 1}), ("inputs", "x"), ("outputs", [None]), ("graph", {"h": "a"}),
    ("state", "inside"), ("initial_state", {"h": [float("nan")]}),
])  # fmt: skip
def test_a_wrong_value_of_other_models_is_named(key, value):
    with pytest.raises(RecipeError, match=f"'{key}' is .*, it must be "):
        check_metadata({**STATEFUL, key: value})


def test_what_is_missing_is_named(whole):
    del whole["features"]["stride"]
    with pytest.raises(RecipeError, match=r"'features\.stride' is missing"):
        check_metadata(whole)
    with pytest.raises(RecipeError, match="'n_input' is missing"):
        check_metadata({}, ("n_input",))
    with pytest.raises(RecipeError, match=r"The whole of it is .*, it must be an object"):
        check_metadata([1])


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\0", "nul", "1" * 5000])
def test_what_is_not_json(text):
    model = runtime_models.model("windows, open")
    model.set_rt_info(text, PATH)
    with pytest.raises(RecipeError, match=r"The IR's metadata is damaged: (it is not JSON|The whole of it is 1)"):
        read_metadata(model)


def test_metadata_that_does_not_fit_its_model():
    for change, reason in {
        "n_context": "'n_context' (4) does not fit the model, which has 7 where it means 9",
        "n_input": "'n_input' (27) does not fit the model, which has 26 where it means 27",
    }.items():
        value = 4 if change == "n_context" else 27
        with pytest.raises(RecipeError) as caught:
            Recognizer(runtime_models.model("windows, open", **{change: value}))
        assert reason in str(caught.value)
    model = runtime_models.model("windows, open")
    metadata = read_metadata(model)
    write_metadata(model, {key: value for key, value in metadata.items() if key != "n_context"})
    with pytest.raises(RecipeError, match="The model: The IR's metadata is damaged: 'n_context' is missing"):
        Recognizer(model).transcribe(speech())


def test_every_command_says_it_in_one_line(tmp_path, capsys, whole):
    model = ov.Core().read_model(bundled_ir())
    whole = read_metadata(model)
    model.set_rt_info(json.dumps({**whole, "features": {**whole["features"], "stride": []}}), PATH)
    path = tmp_path / "m.xml"
    ov.save_model(model, path)
    wav, manifest = next(iter(transcripts())), tmp_path / "m.csv"
    manifest.write_text(f"wav_filename,wav_filesize,transcript\n{wav},1,a\n")
    for command in (
        ["transcribe", wav, "--model", path],
        ["features", wav, "--model", path, "-o", tmp_path / "x.npy"],
        ["evaluate", manifest, "--model", path],
    ):
        assert main(list(map(str, command))) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line == (
            f"deepspeech-recipe: error: {path}: The IR's metadata is damaged: 'features.stride' is [], it must be a "
            "whole number from 1 to 1048576. Convert the model again"
        )


@pytest.mark.parametrize("kind", ["windows, open", "attached", "no state"])
def test_metadata_that_say_nothing_are_refused(kind):
    """An IR of whole utterances is taken apart where its windows are, so it needs their sizes too."""
    model = runtime_models.model(kind)
    write_metadata(model, {})
    with pytest.raises(RecipeError, match="metadata is damaged: 'n_context' is missing"):
        Recognizer(model)
