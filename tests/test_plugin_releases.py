"""The plugin says which releases of openvino-dev and which Pythons it works with, before it imports anything else."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.support.mo_run import EXTENSIONS

pytestmark = pytest.mark.requires_mo


@pytest.fixture
def library(requires_mo):
    from mo_extensions import library

    return library


@pytest.fixture
def refused(library):
    """`refused()` → what the plugin says when it is loaded."""
    from openvino.tools.mo.utils.error import Error

    def check() -> str:
        with pytest.raises(Error) as error:
            library._check_versions()
        return str(error.value)

    return check


@pytest.mark.sampled
@pytest.mark.parametrize(
    "version", ["2022.1.0-7019-cdb9bec7210-releases/2022/1", "2022.2.0-1", "2025.0.0-2", "2026.4.1"]
)
def test_another_release_is_one_line(library, refused, monkeypatch, version):
    monkeypatch.setattr(library, "get_version", lambda: version)
    line = refused()
    assert f"works with openvino-dev 2022.3 to 2024.6, and this is {version.split('-')[0]}, on Python 3." in line
    assert "pip install openvino-dev==2024.6.0" in line
    assert "\n" not in line


def test_model_optimizer_before_openvino_runtime(library, refused, monkeypatch):
    monkeypatch.setattr(library, "get_version", None)
    assert "and this is 2021.4 or older" in refused()


@pytest.mark.parametrize("version", ["2022.3.2-9279-e2c7e4d7b4d", "2023.3.0-1", "2024.0.0-2", "2024.6.0-3"])
def test_these_are_loaded(library, monkeypatch, version):
    monkeypatch.setattr(library, "get_version", lambda: version)
    library._check_versions()


def test_python_3_8_will_do(library, monkeypatch):
    monkeypatch.setattr(library, "sys", SimpleNamespace(version_info=(3, 8, 0)))
    library._check_versions()


def test_python_3_7_is_one_line(library, refused, monkeypatch):
    monkeypatch.setattr(library, "get_version", lambda: "2022.3.2-9279")
    monkeypatch.setattr(library, "sys", SimpleNamespace(version_info=(3, 7, 16)))
    assert "needs Python 3.8 or later, and this is Python 3.7. openvino-dev 2022.3.2 runs on Python 3.8" in refused()


@pytest.mark.parametrize(("version", "fails"), [("2023.1.0-1", True), ("2023.2.0-1", True), ("2023.3.0-1", False)])
def test_internal_state_where_the_release_fails_with_it(library, monkeypatch, version, fails):
    from openvino.tools.mo.utils.error import Error

    monkeypatch.setattr(library, "get_version", lambda: version)
    library.check_release({"state": "external"})
    if fails:
        with pytest.raises(Error, match=r"fail on a model with internal state\. Keep the state external"):
            library.check_release({"state": "internal"})
    else:
        library.check_release({"state": "internal"})


@pytest.mark.parametrize(("version", "mended"), [("2022.3.2-9279", True), ("2023.1.0-1", True), ("2023.2.0-1", False)])
def test_what_older_releases_ask_of_numpy_is_there(library, monkeypatch, version, mended):
    from openvino.tools.mo.front.common.partial_infer import utils

    monkeypatch.setattr(utils, "np", np)
    monkeypatch.setattr(library, "get_version", lambda: version)
    library._mend_release()
    assert hasattr(utils.np, "int") == mended
    assert utils.np.int64 is np.int64
    assert not hasattr(np, "int")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, r"needs the package deepspeech_recipe, which is neither in .* nor installed\. Copy the directory"),
        (SimpleNamespace(origin=None), "which is neither in"),
        (SimpleNamespace(origin="/elsewhere/__init__.py"), "package in /elsewhere is not the one.*: no converters"),
    ],
)
def test_without_the_package_of_its_release_the_plugin_says_so(library, monkeypatch, found, reason):
    from openvino.tools.mo.utils.error import Error

    def import_module(name):
        raise ImportError("no converters")

    util = SimpleNamespace(find_spec=lambda name: found)
    monkeypatch.setattr(library, "importlib", SimpleNamespace(util=util, import_module=import_module))
    with pytest.raises(Error, match=reason):
        library._find_library()


def test_a_second_name_for_the_plugin_is_one_line(library, monkeypatch):
    """Model Optimizer imports the plugin anew under the name of the directory, here that of a link."""
    from openvino.tools.mo.front.common.replacement import FrontReplacementPattern
    from openvino.tools.mo.utils.error import Error

    other = SimpleNamespace(__module__="link.front.tf.recipe_recognition")
    monkeypatch.setattr(FrontReplacementPattern, "__subclasses__", lambda: [other])
    monkeypatch.setitem(sys.modules, "link.library", SimpleNamespace(DIRECTORY="/plugins/link"))
    with pytest.raises(Error, match=r"loaded as 'link' in this process already.*Give /plugins/link again"):
        importlib.reload(library)


@pytest.mark.parametrize(("extensions", "asked"), [(None, False), ([], False), ([str(EXTENSIONS)], True)])
def test_only_a_conversion_that_names_the_plugin_gets_it(library, tmp_path, monkeypatch, extensions, asked):
    """`convert_model` without extensions, in a process that has the plugin's classes, names none."""
    monkeypatch.chdir(tmp_path)
    graph = SimpleNamespace(graph={"cmd_params": SimpleNamespace(extensions=extensions)})
    assert library.asked_for(graph) == asked
