from openvino.tools.mo.front.common.replacement import FrontReplacementPattern
from openvino.tools.mo.graph.graph import Graph
from openvino.tools.mo.utils.error import Error

from deepspeech_recipe.converters import mo_plugin
from deepspeech_recipe.errors import RecipeError

from ...ops.recipe_lstm import RecipeExchange, RecipeLSTM, RecipeSplitTime, RecipeStep


class RecipeRecognition(FrontReplacementPattern):
    """
    Finds DeepSpeech models and other fused LSTMs in the graph as loaded, and rewrites them:

    BlockLSTM, mask and last states → RecipeLSTM; state variables → inputs and outputs. For DeepSpeech also:
    the lengths are dropped (time_len == seq_len), and inputs and outputs are set where the user named none.

    It runs before MO reads the user's inputs and outputs, so that those may be the ones made here.
    """

    enabled = True
    run_not_recursively = True
    replacement_id = "deepspeech_recipe"

    def run_after(self):
        from openvino.tools.mo.load.loader import LoadFinish

        return [LoadFinish]

    def run_before(self):
        from openvino.tools.mo.front.user_data_repack import UserDataRepack

        return [UserDataRepack]

    def find_and_replace_pattern(self, graph: Graph):
        try:
            mo_plugin.prepare(graph, {op.op: op for op in (RecipeExchange, RecipeLSTM, RecipeSplitTime, RecipeStep)})
        except RecipeError as refusal:
            raise Error(str(refusal)) from None
