"""openvino.tools.mo.convert_model: one process, many conversions, with the plugin and without it."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.graphs import foreign
from tests.support import compare, contract
from tests.support.mo_run import EXTENSIONS

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]

FORMS = {"string": str(EXTENSIONS), "list": [str(EXTENSIONS)], "path": EXTENSIONS, "paths": [EXTENSIONS]}
WITHOUT = ("embedding_lstm.pb", "cnn.pb", "v0.9.pb")


def convert(path, **options):
    from openvino.tools.mo import convert_model

    return convert_model(str(path), **options)


def outcome(path: Path, folder: Path) -> str:
    """What a conversion by the legacy pipeline without the plugin gives: a hash of the whole IR but for the numbers in
    names, which count through the process; or the error."""
    from deepspeech_recipe.ir.ov_api import ov

    try:
        model = convert(path, use_legacy_frontend=True)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    files = folder / "found.xml", folder / "found.bin"
    ov.serialize(model, *files)
    xml, weights = (file.read_bytes() for file in files)
    return hashlib.sha256(re.sub(rb'(name="[^"]+?)\d+"', rb'\1"', xml) + weights).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    foreign.embedding_lstm().save(folder / "embedding_lstm.pb")
    foreign.cnn().save(folder / "cnn.pb")
    (folder / "v0.9.pb").write_bytes(contract.case("v0.9").path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def never_loaded(folder) -> dict[str, str]:
    """The outcomes of a process that knows nothing of the plugin."""
    return child(
        "import json, sys; from pathlib import Path; from tests.test_mo_python_api import outcome; "
        "folder = Path(sys.argv[1]); found = {name: outcome(folder / name, folder) for name in sys.argv[2:]}; "
        "assert not any(name.startswith('mo_extensions') for name in sys.modules)",
        folder,
        *WITHOUT,
    )


def child(code: str, *arguments, cwd=EXTENSIONS.parent):
    """Runs code, which ends with a variable `found`, in a Python of its own; returns that value. In `cwd` it can import
    what lies there."""
    command = [sys.executable, "-c", f"{code}\nprint('found:' + json.dumps(found))", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("found:")[2])


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "form"), [("v0.9", "string"), ("v0.4", "list"), ("steps_open", "path"), ("v0.2", "paths")]
)
def test_extensions_in_every_form_and_one_model_after_another(capfd, name, form):
    each = contract.case(name)
    model = convert(each.path, extensions=FORMS[form])
    assert "[ deepspeech-recipe ]" not in capfd.readouterr().out  # silent is the default
    compare.check_conversion(model, each)
    contract.check_names(model, each)
    contract.check_metadata(model, each, "mo")


@pytest.mark.long
def test_silent_false_shows_the_plugins_line(capfd):
    convert(contract.case("v0.9").path, extensions=EXTENSIONS, silent=False)
    assert capfd.readouterr().out.count("[ deepspeech-recipe ]") == 1


@pytest.mark.long
def test_without_extensions_the_plugin_does_not_run(folder, never_loaded, capfd):
    for name in WITHOUT:
        convert(folder / name, extensions=EXTENSIONS, silent=False)
        assert capfd.readouterr().out.count("[ deepspeech-recipe ]") == 1
        assert outcome(folder / name, folder) == never_loaded[name], name
        assert "[ deepspeech-recipe ]" not in capfd.readouterr().out
    assert "AudioSpectrogram" in never_loaded["v0.9.pb"] or "not converted" in never_loaded["v0.9.pb"]


@pytest.mark.long
def test_the_arguments_of_the_api_are_those_of_the_command():
    from deepspeech_recipe.ir.ov_api import ov

    each = contract.case("v0.9")
    windows = [3, -1, *each.chunks.shape[3:]]
    for options in (
        {"input": [("input_node", windows)]},
        {"input": "input_node", "input_shape": [ov.PartialShape(windows)]},
        {"input_shape": ov.PartialShape(windows)},
        {"input": [("input_node", windows)], "output": ["logits", "new_state_c", "new_state_h"]},
        {"input": f"input_node{windows}".replace("-1", "?")},
    ):
        model = convert(each.path, extensions=EXTENSIONS, **options)
        contract.check_shapes(model, each, time_steps=-1)
        compare.check_numbers(model, each)
    frozen = convert(each.path, extensions=EXTENSIONS, freeze_placeholder_with_value="input_lengths->[7 7 7]")
    contract.check_shapes(frozen, each)


@pytest.mark.long
def test_the_options_of_one_conversion_are_not_those_of_the_next():
    each = contract.case("v0.5")
    config = EXTENSIONS / "internal_state.json"
    inside = convert(each.path, extensions=EXTENSIONS, transformations_config=config)
    assert [port.get_any_name() for port in inside.inputs] == ["input_node"]
    contract.check_metadata(convert(each.path, extensions=EXTENSIONS), each, "mo")


OTHER_PLUGIN = """
from openvino.tools.mo.front.common.replacement import FrontReplacementPattern

class Other(FrontReplacementPattern):
    enabled = True

    def find_and_replace_pattern(self, graph):
        print("the other plugin runs")
"""


@pytest.mark.long
def test_symlinks_and_other_plugins_of_the_same_name(tmp_path):
    """In a process of its own, as MO forgets no class."""
    (tmp_path / "other/mo_extensions/front/tf").mkdir(parents=True)
    (tmp_path / "other/mo_extensions/front/tf/other.py").write_text(OTHER_PLUGIN)
    (tmp_path / "link").symlink_to(EXTENSIONS)
    (tmp_path / "mo_extensions").symlink_to(EXTENSIONS)
    found = child(
        """
import contextlib, io, json, sys
from openvino.tools.mo import convert_model
graph, folder = sys.argv[1:]
found = []
for each in ("link", "link,other/mo_extensions", "other/mo_extensions", "mo_extensions", "link"):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            convert_model(graph, extensions=[f"{folder}/{name}" for name in each.split(",")], silent=False)
            error = ""
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}"
    found.append([printed.getvalue().count("[ deepspeech-recipe ]"), "other plugin" in printed.getvalue(), error])
""",
        contract.case("v0.9").path,
        tmp_path,
        cwd=tmp_path,  # where the package is not
    )
    assert [each[0] for each in found] == [1, 1, 0, 0, 1]
    assert [each[1] for each in found[:3]] == [False, True, True]
    assert found[0][2] == found[1][2] == found[4][2] == ""
    assert found[3][2].startswith("Error: The plugin is loaded as 'link' in this process already")


@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param("v0.4", marks=pytest.mark.long), "v0.9"])
def test_a_graph_in_memory(tf, name):
    from openvino.tools.mo import convert_model

    each = contract.case(name)
    graph_def = tf.compat.v1.GraphDef.FromString(each.path.read_bytes())
    graph = tf.Graph()
    with graph.as_default():
        tf.compat.v1.import_graph_def(graph_def, name="")
    for given in (graph_def, graph):
        model = convert_model(given, extensions=EXTENSIONS)
        contract.check_metadata(model, each, "mo")
        compare.check_numbers(model, each)
