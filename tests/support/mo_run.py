"""Model Optimizer in this process, as the mo command runs it: the same argument parser and driver."""

import contextlib
import io
import itertools
import logging
import operator
import sys
import tempfile
from pathlib import Path
from types import NoneType
from unittest import mock

import numpy as np

EXTENSIONS = Path(__file__).parents[2] / "mo_extensions"


class MOError(Exception):
    """What mo wrote to its log before it gave up."""


def mo(model, *arguments: str, plugin: bool = True, fp16: bool = False):
    """`mo --input_model MODEL ARGUMENTS` with the plugin or, without it, with the legacy frontend.

    model: None where the arguments say what the model is.
    Returns (ov.Model, what was printed). Raises MOError with what MO logged.
    """
    from openvino.tools.mo.convert_impl import _convert
    from openvino.tools.mo.utils.cli_parser import get_all_cli_parser
    from openvino.tools.mo.utils.model_analysis import AnalysisResults

    # Of conversions before: MO and TensorFlow keep them as long as their process lives.
    AnalysisResults().messages.clear()
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].compat.v1.reset_default_graph()
    given = [] if model is None else ["--input_model", str(model)]
    command = ["mo", *given, f"--compress_to_fp16={fp16}", *arguments]
    command += ["--extensions", str(EXTENSIONS)] if plugin else ["--use_legacy_frontend"]
    printed, errors = io.StringIO(), _Messages(logging.ERROR)
    # MO writes a temporary IR in its output directory under the model's name: another process's would be the same.
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(sys, "argv", [*command, "--output_dir", folder]),
        _in_half_the_time(),
        contextlib.redirect_stdout(printed),
    ):
        logging.getLogger().addHandler(errors)
        try:
            ov_model, _ = _convert(get_all_cli_parser(), None, {}, False)
        finally:
            logging.getLogger().removeHandler(errors)
    if ov_model is None:
        raise MOError("\n".join(errors.lines))
    return ov_model, printed.getvalue()


def run_here(arguments: list[str], directory) -> str:
    """`converters.mo.run` in this process: a new one takes 15 s, most of them to import TensorFlow."""
    from openvino.runtime import serialize

    from deepspeech_recipe.converters.mo import _reason
    from deepspeech_recipe.errors import RecipeError

    given = dict(itertools.pairwise(arguments))
    try:
        model, printed = mo(None, *arguments)
    except MOError as error:
        said = "\n".join(f"[ ERROR ] {line}" for line in str(error).splitlines())
        raise RecipeError(f"mo failed: {_reason(said, 1)}") from None
    serialize(model, str(Path(given["--output_dir"], Path(given["--input_model"]).stem).with_suffix(".xml")))
    return printed


@contextlib.contextmanager
def _in_half_the_time():
    """MO without what it does for nothing on the graphs of tests; what it makes of them is the same.

    The command, as a process, is as it is: tests/test_mo_process.py.
    """
    from openvino.tools.mo.graph.graph import Graph
    from openvino.tools.mo.middle import pattern_match

    def find_pattern_matches(graph, nodes, *given, **options):
        """Not for operations that the graph lacks."""
        for key in ("op", "type"):
            there = [attributes.get(key) for _, attributes in graph.nodes(data=True)]
            if any(isinstance(wanted.get(key), str) and wanted[key] not in there for _, wanted in nodes):
                return iter(())
        return find(graph, nodes, *given, **options)

    def for_each_sub_graph(graph, function):
        """Asks no node of a graph without any."""
        if any("sub_graphs" in attributes for _, attributes in graph.nodes(data=True)):
            each(graph, function)

    def clean_up(graph, undead_node_types=None):
        """Not after a pass that changed nothing."""
        found = _state(graph)
        before = graph.graph.get("cleaned", [])
        if undead_node_types or len(found) != len(before) or not all(map(operator.is_, found, before)):
            clean(graph, undead_node_types)
            graph.graph["cleaned"] = _state(graph)

    def check_shapes(graph):
        """Asks the nodes' dictionaries before it makes an object of each."""
        for _, attributes in graph.nodes(data=True):
            if attributes.get("kind") == "data" and not isinstance(attributes.get("shape", ()), (np.ndarray, NoneType)):
                check(graph)

    find, each, clean = pattern_match.find_pattern_matches, pattern_match.for_each_sub_graph, Graph.clean_up
    check = Graph.check_shapes_consistency
    with (
        mock.patch.object(Graph, "check_shapes_consistency", check_shapes),
        mock.patch.object(pattern_match, "find_pattern_matches", find_pattern_matches),
        mock.patch.object(pattern_match, "for_each_sub_graph", for_each_sub_graph),
        mock.patch.object(Graph, "clean_up", clean_up),
    ):
        yield


def _state(graph) -> list:
    """The nodes, the edges, and the objects that are their attributes' values."""
    found: list = []
    for name, attributes in graph.nodes(data=True):
        found += [name, len(attributes), *attributes.values()]
    for begin, end, key, attributes in graph.edges(keys=True, data=True):
        found += [begin, end, key, *attributes.values()]
    return found


class _Messages(logging.Handler):
    def __init__(self, level):
        super().__init__(level)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())
