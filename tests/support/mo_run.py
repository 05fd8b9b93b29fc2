"""Model Optimizer in this process, as the mo command runs it: the same argument parser and driver."""

import contextlib
import io
import itertools
import logging
import sys
import tempfile
from pathlib import Path
from unittest import mock

EXTENSIONS = Path(__file__).parents[2] / "mo_extensions"


class MOError(Exception):
    """What mo wrote to its log before it gave up."""


def mo(model, *arguments: str, plugin: bool = True, fp16: bool = False):
    """`mo --input_model MODEL ARGUMENTS` with the plugin or, without it, with the legacy frontend.

    model: None where the arguments say what the model is.
    Returns (ov.Model, what was printed). Raises MOError with what MO logged.
    """
    from openvino.tools.mo.convert_impl import _convert
    from openvino.tools.mo.middle import pattern_match
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
        mock.patch.object(pattern_match, "find_pattern_matches", _spared(pattern_match.find_pattern_matches)),
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


def _spared(find):
    """MO's search for a pattern, without the searches for operations that the graph lacks: a sixth of its time."""

    def search(graph, nodes, *given, **options):
        for key in ("op", "type"):
            there = [attributes.get(key) for _, attributes in graph.nodes(data=True)]
            if any(isinstance(wanted.get(key), str) and wanted[key] not in there for _, wanted in nodes):
                return iter(())
        return find(graph, nodes, *given, **options)

    return search


class _Messages(logging.Handler):
    def __init__(self, level):
        super().__init__(level)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())
