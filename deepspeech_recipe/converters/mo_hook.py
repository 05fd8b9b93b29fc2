"""Work on the ov.Model that Model Optimizer has just built, before it compresses and writes it.

The legacy pipeline has no hook for this, and what an extension marks on its own graph (which weights stay FP32,
information for rt_info) is lost when that graph becomes an ov.Model. So the last function of the pipeline,
`apply_offline_transformations`, which MO looks up at call time, is replaced once by one that first runs what the
conversion at hand has registered. That list lives on the conversion's own arguments: it ends with them,
also when the conversion fails, and no other conversion sees it.
"""

from openvino.tools.mo.back import offline_transformations

from deepspeech_recipe.converters.mo_arguments import Arguments

_ATTRIBUTE = "deepspeech_recipe_on_finished"


def on_finished(graph, key: str, action) -> None:
    """Registers action(ov_model) → ov_model for the conversion of an MO graph.

    A second action with the same key is ignored; None as result keeps the model.
    """
    _install()
    Arguments.of(graph).kept(_ATTRIBUTE, {}).setdefault(key, action)


def _install() -> None:
    original = offline_transformations.apply_offline_transformations
    if hasattr(original, _ATTRIBUTE):
        return

    def apply_offline_transformations(func, argv):
        for action in Arguments(argv).kept(_ATTRIBUTE, {}).values():
            func = action(func) or func
        return original(func, argv)

    setattr(apply_offline_transformations, _ATTRIBUTE, True)
    offline_transformations.apply_offline_transformations = apply_offline_transformations
