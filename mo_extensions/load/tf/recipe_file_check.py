from openvino.tools.mo.graph.graph import Graph
from openvino.tools.mo.load.loader import Loader
from openvino.tools.mo.load.tf import loader

from ...library import asked_for, refusals_as_errors

from deepspeech_recipe.converters import mo_loading
from deepspeech_recipe.converters.mo_arguments import Arguments


def refuse_what_would_run(graph: Graph) -> bool:
    if asked_for(graph):
        arguments = Arguments.of(graph)
        arguments.unwrap_model()
        with refusals_as_errors():
            mo_loading.check_before_loading(arguments)
        mo_loading.prepare_loading(loader, saved_model=bool(arguments.saved_model))
    return False


class RecipeFileCheck(Loader):
    """
    Refuses a file that would have TensorFlow run something when the file is loaded.

    There is nothing to load here, and MO refuses a graph that is empty after a loader: the look at the file is this
    loader's condition, which is never met.
    """

    enabled = True
    run_not_recursively = True
    graph_condition = (refuse_what_would_run,)

    def run_before(self):
        return [loader.TFLoader]

    def load(self, graph: Graph):
        pass
