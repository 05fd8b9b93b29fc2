"""Model Optimizer's arguments: the one place that reads and writes them.

MO hands a pass its parsed command line as `graph.graph["cmd_params"]`, and has no other way to say before
`UserDataRepack` what the inputs and outputs are. A plugin that fills them in has to write there, so it is done here,
with the reason beside each, and nowhere else. The values are those that `arguments_post_parsing` leaves, the same for
`mo` and for `openvino.tools.mo.convert_model`.
"""

from __future__ import annotations

import re
import sys
from copy import copy
from pathlib import Path

from openvino.runtime import PartialShape
from openvino.tools.mo.utils.cli_parser import parse_transform


class Arguments:
    """The arguments of one conversion."""

    def __init__(self, argv):
        self._argv = argv

    @classmethod
    def of(cls, graph) -> Arguments:
        """Those of the conversion of an MO graph."""
        return cls(graph.graph["cmd_params"])

    @property
    def model(self):
        """The graph: a path, or an object in memory; None for a SavedModel or a meta graph."""
        return self._argv.input_model

    def unwrap_model(self) -> None:
        """convert_model puts a GraphDef into a tf.Graph for OpenVINO's own frontend, before it looks for extensions.
        MO's loader takes the GraphDef, and no tf.Graph."""
        if hasattr(self._argv.input_model, "as_graph_def"):
            self._argv.input_model = self._argv.input_model.as_graph_def()

    @property
    def meta_graph(self) -> str | None:
        """The .meta file, or another one of the same checkpoint."""
        return self._argv.input_meta_graph

    @property
    def checkpoint(self) -> str | None:
        """The file or folder of a graph's variables."""
        return self._argv.input_checkpoint

    @property
    def saved_model(self) -> str | None:
        return self._argv.saved_model_dir

    @property
    def is_text(self) -> bool:
        """Whether the graph, or the meta graph, is in text format."""
        return bool(self._argv.input_model_is_text)

    @property
    def shapes(self) -> PartialShape | list | dict | None:
        """What the user typed of shapes: one, a list of them or of names, or name → shape; None for nothing."""
        return self._argv.placeholder_shapes

    @property
    def named_shapes(self) -> dict:
        """The inputs that the user named → the shape, or None."""
        if isinstance(self.shapes, dict):
            return self.shapes
        names = self.shapes if isinstance(self.shapes, list) else []
        return {name: None for name in names if isinstance(name, str)}

    def set_inputs(self, names: list[str], shapes: dict | None) -> None:
        """The inputs in their order, and their shapes, before MO cuts the graph at them."""
        self._argv.placeholder_shapes = shapes
        if names:
            self._argv.inputs_list = names

    @property
    def outputs(self) -> list[str] | None:
        """The outputs that the user typed, or that were set; None: all that nobody reads."""
        return self._argv.output

    @outputs.setter
    def outputs(self, names: list[str]) -> None:
        # Without it MO takes every node that nobody reads: assignments, metadata, the decoder's rest.
        self._argv.output = list(names)

    @property
    def frozen(self) -> dict:
        """Input → the value it is frozen to."""
        return self._argv.freeze_placeholder_with_value or {}

    def forget_frozen(self, name: str) -> None:
        """The rewritten graph does not have this input any more: MO would not find it."""
        del self._argv.freeze_placeholder_with_value[name]

    @property
    def batch(self) -> int | None:
        """What was typed as --batch."""
        return self._argv.batch

    def forget_batch(self) -> None:
        """It is in the shapes now: MO's own --batch wants the graph to leave the batch open, and first."""
        self._argv.batch = None

    @property
    def types(self) -> dict:
        """Input → the type that the user typed."""
        types = self._argv.placeholder_data_types
        return types if isinstance(types, dict) else {}

    @property
    def scale(self) -> float | None:
        """What was typed as --scale: MO divides every input by it."""
        return None if self._argv.scale is None else float(self._argv.scale)

    @property
    def mean_scale(self) -> dict | list:
        """What was typed as --mean_values and --scale_values: by the name of an input, or for each input in turn."""
        return self._argv.mean_scale_values

    @property
    def transposed(self) -> dict:
        """Inputs and outputs whose axes --layout changes, by name."""
        layouts = {name: (to.get("source_layout"), to.get("target_layout")) for name, to in self._layouts.items()}
        return {name: both for name, both in layouts.items() if both[1] and both[0] != both[1]}

    @property
    def _layouts(self) -> dict:
        return self._argv.layout_values if isinstance(self._argv.layout_values, dict) else {}

    @property
    def make_stateful(self) -> dict[str, str] | None:
        """Input → output as typed in --transform MakeStateful[param_res_names=…]; None without MakeStateful."""
        asked = [values for name, values in parse_transform(self._argv.transform) if name == "MakeStateful"]
        if not asked:
            return None
        typed = [values.get("param_res_names") for values in asked]
        return {name: new for pairs in typed if isinstance(pairs, dict) for name, new in pairs.items()}

    def forget_make_stateful(self) -> None:
        """The plugin makes the states internal by itself, under names that its other parts know, and says so in the
        metadata: when MO's own transformation runs, the metadata is written."""
        self._argv.transform = re.sub(r"MakeStateful\[[^\]]*\],?", "", self._argv.transform).rstrip(",")

    @property
    def silent(self) -> bool:
        """Whether nothing but errors is to be printed: the default of `convert_model`. The command `mo` has the same
        default, and prints its own lines in spite of it."""
        if hasattr(self._argv, "is_python_api_used"):
            return bool(self._argv.silent) and self._argv.is_python_api_used
        # 2022.3 does not say; there the command runs MO's main.py.
        main = Path(getattr(sys.modules["__main__"], "__file__", None) or "")
        return bool(self._argv.silent) and main.parts[-3:] != ("tools", "mo", "main.py")

    def convert_by_frontend(self, frontend, path: Path):
        """The ov.Model of a graph's .pb file as `mo` makes it without --extensions, by OpenVINO's own frontend: cut,
        with the shapes, types, values and batch that the user typed. The legacy pipeline finds none of these then."""
        from openvino.tools.mo.moc_frontend.pipeline import moc_pipeline

        own, argv = copy(self._argv), self._argv
        own.input_model, own.input_checkpoint, own.saved_model_dir, own.input_meta_graph = str(path), None, None, None
        own.share_weights = False  # the file goes
        model = moc_pipeline(own, frontend)
        argv.placeholder_shapes, argv.placeholder_data_types, argv.freeze_placeholder_with_value = None, {}, {}
        argv.unnamed_freeze_placeholder_with_value, argv.inputs_list, argv.output, argv.batch = [], [], None, None
        return model

    @property
    def configuration(self) -> str:
        """The file of the plugin's options, for messages; MO itself reads it."""
        return str(self._argv.transformations_config)

    def kept(self, name: str, default):
        """What is kept for the rest of this conversion under a name of our own: the arguments end with it, also when
        it fails, and no other conversion sees them."""
        if not hasattr(self._argv, name):
            setattr(self._argv, name, default)
        return getattr(self._argv, name)
