from openvino.tools.mo.front.common.custom_replacement_registry import CustomReplacementRegistry
from openvino.tools.mo.front.common.replacement import FrontReplacementPattern
from openvino.tools.mo.graph.graph import Graph

from ...library import asked_for, check_release, refusals_as_errors
from ...ops import recipe_lstm

from deepspeech_recipe.converters import mo_plugin
from deepspeech_recipe.converters.mo_options import ID


class RecipeRecognition(FrontReplacementPattern):
    """
    Finds DeepSpeech models and other fused LSTMs in the graph as loaded, and rewrites them:

    BlockLSTM, mask and last states → RecipeLSTM; state variables → inputs and outputs. For DeepSpeech also:
    the lengths are dropped (time_len == seq_len), and inputs and outputs are set if the user named none.

    It runs before MO reads the user's inputs and outputs, so that those may be the ones made here, and after MO has
    read the configuration file. Not a FrontReplacementFromConfigFileGeneral: that does nothing without such a file.
    """

    enabled = True
    run_not_recursively = True
    replacement_id = ID
    graph_condition = (asked_for,)

    def run_after(self):
        from openvino.tools.mo.front.transformations_config import TransformationsConfig
        from openvino.tools.mo.load.loader import LoadFinish

        return [LoadFinish, TransformationsConfig]

    def run_before(self):
        from openvino.tools.mo.front.user_data_repack import UserDataRepack

        return [UserDataRepack]

    def find_and_replace_pattern(self, graph: Graph):
        options = {}
        for description in CustomReplacementRegistry().get_all_replacements_descriptions():
            if description.id == self.replacement_id:
                options.update(description.custom_attributes)
        check_release(options)
        operations = {op.op: op for op in recipe_lstm.OPERATIONS}
        with refusals_as_errors():
            mo_plugin.prepare(graph, operations, options)
