"""The options of a conversion are said once: the command line, the functions, the plugin and the pages agree."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import COMMANDS
from deepspeech_recipe.cli import convert as command
from deepspeech_recipe.conversion.convert import convert, convert_model
from deepspeech_recipe.converters.extensions import extensions
from deepspeech_recipe.converters.mo import options as typed_for_mo
from deepspeech_recipe.converters.mo_options import ID, check_options
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir import options as module
from deepspeech_recipe.ir.metadata_schema import check_metadata
from deepspeech_recipe.ir.options import CHOICES, PLUGIN, Options
from deepspeech_recipe.sources import open_model

ROOT = Path(__file__).parent.parent
FIELDS = {field.name: field.default for field in dataclasses.fields(Options)}
PRINTED = {"json", "jsonl", "texts", "mic", "stream", "srt", "vtt"}
SEARCH = {"scorer", "words", "alpha", "beta", "beam_width", "hot_words"}  # what the functions' decoder is made of
COMMAND_ONLY = {
    "transcribe": {*PRINTED, *SEARCH},
    "evaluate": {*PRINTED, *SEARCH},
    "features": {"output", "recursive", "preset"},
}
FUNCTION_ONLY = {"log", "progress", "decoder", "directory", "on_finding", "on_failure", "ordered"}
FUNCTIONS = {"transcribe": "transcribe_files"}  # whose options are the command's, where that is another one
FACTS = {
    name: parameter.default
    for name, parameter in inspect.signature(open_model).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
}


def keywords(function) -> dict[str, object]:
    """Keyword → default."""
    parameters = inspect.signature(function).parameters.values()
    assert not [each for each in parameters if each.kind is each.VAR_KEYWORD], "every option is spelled out"
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def actions() -> dict[str, argparse.Action]:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return {action.dest: action for action in parser._actions}


def test_the_functions_have_every_option_with_its_default():
    assert keywords(convert_model) == {**FIELDS, **FACTS, "log": None}
    assert keywords(convert) == {"name": None, "verify": None, **keywords(convert_model)}


def test_the_functions_types_are_the_options():
    own = typing.get_type_hints(Options)
    for function in (convert, convert_model):
        hints = typing.get_type_hints(function)
        for name in FIELDS.keys() - {
            "recipe",
            "inputs",
            "outputs",
            "keep_fp16",
        }:  # a path and any collection will do there
            assert hints[name] == own[name], name


def test_the_command_has_every_option_and_its_choices():
    found = actions()
    assert set(FIELDS) | set(FACTS) <= set(found)
    for name, choices in CHOICES.items():
        assert tuple(found[name].choices) == choices
        if FIELDS[name] is not None:
            assert f"default: {FIELDS[name]}" in found[name].help
    # What is not typed is not passed on, so no default stands there a second time.
    assert {found[name].default for name in (*FIELDS, *FACTS)} == {argparse.SUPPRESS}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "serve"])
def test_every_commands_defaults_are_its_functions(name):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"deepspeech_recipe.cli.{name}").add_arguments(parser)
    only = COMMAND_ONLY.get(name, PRINTED)
    typed = {action.dest: action for action in parser._actions if action.dest not in ("help", *only)}
    parameters = inspect.signature(getattr(deepspeech_recipe, FUNCTIONS.get(name, name))).parameters
    assert set(typed) == set(parameters) - FUNCTION_ONLY
    for option, action in typed.items():
        default = action.default if not isinstance(action.default, list) else tuple(action.default)
        if action.default is not argparse.SUPPRESS and not action.required and action.option_strings:
            # What a command may be told several times has its default in the function alone.
            several = isinstance(action, argparse._AppendAction)
            assert default is None if several else default == parameters[option].default, option


def test_each_choice_is_accepted_and_nothing_else():
    for name, choices in CHOICES.items():
        extra = {"weights": "int8"} if name == "activations" else {}
        for choice in choices:
            Options(**{name: choice, **extra}).check()
        with pytest.raises(RecipeError, match=f"The option {name} must be {' or '.join(choices)}, not 'other'"):
            Options(**{name: "other", **extra}).check()


def test_the_plugin_takes_its_part_of_them(tmp_path):
    assert set(PLUGIN) <= set(FIELDS)
    for name in PLUGIN:
        for choice in CHOICES.get(name, ("mine.py",)):
            check_options({name: choice}, "config.json")
    for name in FIELDS.keys() - set(PLUGIN):
        with pytest.raises(
            RecipeError, match=f"'{name}' is not an option of the plugin. It knows {', '.join(PLUGIN)};"
        ):
            check_options({name: FIELDS[name]}, "config.json")
    asked = Options(state="internal", head="raw", recipe="/mine.py")
    config = Path(typed_for_mo(None, asked, tmp_path)[-1])
    (entry,) = json.loads(config.read_text())
    assert entry["id"] == ID
    assert entry["custom_attributes"] == {name: getattr(asked, name) for name in PLUGIN}


def test_the_files_beside_the_plugin_are_options_of_it():
    files = sorted(extensions().glob("*.json"))
    assert [file.name for file in files] == ["internal_state.json", "raw_head.json"]
    for file in files:
        (entry,) = json.loads(file.read_text())
        assert entry["id"] == ID
        check_options(entry["custom_attributes"], file.name)


def test_the_metadata_of_an_ir_knows_every_choice():
    for name in ("state", "head", "lengths", "audio", "weights"):
        for choice in CHOICES[name]:
            check_metadata({name: choice})
        with pytest.raises(RecipeError, match=f"'{name}' is 'other'"):
            check_metadata({name: "other"})


def test_the_page_names_the_plugins_options():
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    table = page[page.index("| attribute | values |") :].split("\n\n")[0]
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == list(PLUGIN)
    for name in PLUGIN:
        assert all(f"`{choice}`" in table for choice in CHOICES.get(name, ()))


def test_nothing_is_loaded_for_them():
    code = (
        f"import sys, {module.__name__}, {command.__name__}; print(sorted({{'numpy', 'openvino'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_separate_audio_is_two_models(tmp_path):
    with pytest.raises(RecipeError, match="convert_model returns one model, and audio 'separate' is two"):
        deepspeech_recipe.convert_model(tmp_path / "never-read.pb", audio="separate")
