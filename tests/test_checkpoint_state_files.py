"""State files of checkpoints, whatever name they give."""

import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.sources import open_model
from deepspeech_recipe.sources.checkpoint.files import find_prefix

NAMES = {
    "plain-1": '"plain-1"',
    "with 'quotes' \"both\"-1": r'''"with \'quotes\' \"both\"-1"''',
    "single-1": "'single-1'",
    "ünïcode-1": r'"\303\274n\303\257code-1"',
    "hex-é-1": r'"hex-\xc3\xa9-1"',
    "back\\slash-1": r'"back\\slash-1"',
    "brackets[1]*?-1": '"brackets[1]*?-1"',
    "dots.in.name-1": '"/home/someone/run/dots.in.name-1"',
    "windows-1": r'"C:\\Users\\someone\\windows-1"',
    "elsewhere-1": '"../../other/elsewhere-1"',
    "sub/inside-1": '"sub/inside-1"',
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_as_tensorflow_writes_it(tmp_path, name):
    prefix = tmp_path / name
    prefix.parent.mkdir(exist_ok=True)
    for suffix in (".index", ".data-00000-of-00001"):
        prefix.with_name(prefix.name + suffix).write_bytes(b"x")
    (tmp_path / "checkpoint").write_text(f"# comment\nmodel_checkpoint_path: {NAMES[name]}\n", encoding="utf-8")
    assert find_prefix(tmp_path) == find_prefix(tmp_path / "checkpoint") == prefix


@pytest.mark.parametrize("named", ["../../secret-1", "/{}/secret-1", "sub/../../secret-1", "..\\\\secret-1"])
def test_no_file_outside_is_taken(tmp_path, named):
    folder = tmp_path / "run"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path, tmp_path.parent):
        for suffix in (".index", ".data-00000-of-00001"):
            (place / f"secret-1{suffix}").write_bytes(b"x")
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{named.format(tmp_path)}"\n')
    with pytest.raises(RecipeError, match=r"the checkpoint 'secret-1' has no secret-1\.index beside its data file"):
        find_prefix(folder)


@pytest.mark.parametrize(("text", "reason"), [
    ('model_checkpoint_path: "a\\nb"', r"names 'a\\nb', which cannot be a checkpoint"),
    ('model_checkpoint_path: "a\\000b"', r"names 'a\\x00b', which cannot be a checkpoint"),
    ('model_checkpoint_path: "/"', "names '/', which cannot be a checkpoint"),
    ('model_checkpoint_path: ".."', r"names '\.\.', which cannot be a checkpoint"),
    ('model_checkpoint_path: "run/."', r"names 'run/\.', which cannot be"),
    ('model_checkpoint_path: ""', "names no checkpoint"),
    ('model_checkpoint_path: "open', "names no checkpoint"),
    ("all_model_checkpoint_paths: 'a-1'", "names no checkpoint"),
    (f'model_checkpoint_path: "{"x" * 5000}"', "File name too long|has no xxx"),
    ('model_checkpoint_path: "missing-1"', r"the checkpoint 'missing-1' has no missing-1\.index"),
])  # fmt: skip
def test_a_name_that_cannot_be_is_one_line(tmp_path, text, reason):
    (tmp_path / "checkpoint").write_text(text)
    with pytest.raises(RecipeError, match=reason) as caught:
        open_model(tmp_path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 900
