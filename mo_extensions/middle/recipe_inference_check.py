from openvino.tools.mo.graph.graph import Graph
from openvino.tools.mo.middle.replacement import MiddleReplacementPattern

from ..library import asked_for, refusals_as_errors

from deepspeech_recipe.converters import mo_safety


class RecipeInferenceCheck(MiddleReplacementPattern):
    """
    Refuses a graph in which an operation is left that MO would run in TensorFlow, to see the shape of its output, and
    that is not known to compute and do nothing else.
    """

    enabled = True
    replacement_id = "deepspeech_recipe_inference_check"
    # MO imports what lies in middle/ for every framework.
    graph_condition = (asked_for, lambda graph: graph.graph["fw"] == "tf")

    def run_after(self):
        from openvino.tools.mo.front.create_tensor_nodes import CreateTensorNodes

        return [CreateTensorNodes]

    def run_before(self):
        from openvino.tools.mo.middle.PartialInfer import PartialInfer

        return [PartialInfer]

    def find_and_replace_pattern(self, graph: Graph):
        from openvino.tools.mo.front.tf.partial_infer.tf import tf_native_tf_node_infer

        run_by_tensorflow = graph.get_op_nodes(infer=tf_native_tf_node_infer)
        with refusals_as_errors():
            mo_safety.check_inferred(node.pb for node in run_by_tensorflow)
