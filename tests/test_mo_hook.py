"""Actions on Model Optimizer's finished model: once each, for their own conversion alone."""

from argparse import Namespace
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.requires_mo


@pytest.fixture
def pipeline(monkeypatch):
    """MO's module with a last step that writes down what it was called with."""
    from openvino.tools.mo.back import offline_transformations

    calls = []

    def last_step(func, argv):
        calls.append("compressed")
        return func

    monkeypatch.setattr(offline_transformations, "apply_offline_transformations", last_step)
    return SimpleNamespace(module=offline_transformations, calls=calls)


def conversion():
    return SimpleNamespace(graph={"cmd_params": Namespace()})


def finish(pipeline, graph):
    return pipeline.module.apply_offline_transformations("model", graph.graph["cmd_params"])


def test_actions_run_once_each_before_compression(pipeline):
    from deepspeech_recipe.converters.mo_hook import on_finished

    graph = conversion()
    on_finished(graph, "a", lambda model: pipeline.calls.append(("a", model)))
    on_finished(graph, "a", lambda model: pipeline.calls.append("a second a"))
    on_finished(graph, "b", lambda model: pipeline.calls.append(("b", model)))
    assert finish(pipeline, graph) == "model"
    assert pipeline.calls == [("a", "model"), ("b", "model"), "compressed"]


def test_another_conversion_sees_nothing_of_a_failed_one(pipeline):
    from deepspeech_recipe.converters.mo_hook import on_finished

    failed = conversion()
    on_finished(failed, "a", lambda model: pipeline.calls.append("of the failed conversion"))
    finish(pipeline, conversion())
    after = conversion()
    on_finished(after, "a", lambda model: pipeline.calls.append("own"))
    finish(pipeline, after)
    assert pipeline.calls == ["compressed", "own", "compressed"]


def test_the_function_is_wrapped_once(pipeline):
    from deepspeech_recipe.converters.mo_hook import on_finished

    on_finished(conversion(), "a", print)
    wrapped = pipeline.module.apply_offline_transformations
    on_finished(conversion(), "a", print)
    assert pipeline.module.apply_offline_transformations is wrapped


def test_an_error_of_an_action_stops_the_conversion(pipeline):
    from deepspeech_recipe.converters.mo_hook import on_finished

    graph = conversion()
    on_finished(graph, "a", lambda model: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        finish(pipeline, graph)
    assert pipeline.calls == []
