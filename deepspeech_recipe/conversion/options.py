"""Options that a model does not allow, or a graph that is not a DeepSpeech model."""

from deepspeech_recipe.conversion.settings import check_settings
from deepspeech_recipe.converters.request import check_request, size_of
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.ir.options import DYNAMIC, Options
from deepspeech_recipe.patterns.dropout import dropout_lines
from deepspeech_recipe.patterns.stateful import check_not_lost
from deepspeech_recipe.recipes.recognition import Recognition
from deepspeech_recipe.sources import LoadedModel
from deepspeech_recipe.sources.frontend_trial import openvino_takes


def check_model(options: Options, source: LoadedModel, recognition: Recognition, *, from_wav: bool = False) -> None:
    """Raises RecipeError for what this model does not allow.

    from_wav: the graph read WAV files, and begins at their samples now, so it has a use for a sample rate.
    """
    model = recognition.acoustic
    if model is None:
        _check_general(options, [key for key in source.overrides if key != "sample_rate" or not from_wav], recognition)
        return
    check_request(options, model)
    check_settings(source, model, with_audio=options.audio != "none")
    if options.streaming and size_of(options, "batch", model) != 1:
        raise RecipeError(
            "With audio attached and internal state a call takes one stream, so the batch must be 1, not "
            f"{size_of(options, 'batch', model)}. Give --batch 1; more streams are more inference requests."
        )
    if options.audio != "none" and model.features is None:
        raise Refusal(
            f"This graph of DeepSpeech {model.generation} has no feature part, and its client's features are not known",
            remedy="Convert with --audio none",
        )


def check_found(source: LoadedModel, view: GraphView, recognition: Recognition) -> None:
    """Raises RecipeError for a graph of which nothing is ours. It names OpenVINO's own converter if that takes it."""
    if not recognition.is_empty:
        return
    check_not_lost(view)
    refused = "".join(f" {refusal}" for refusal in recognition.refused[:1])
    if len(recognition.refused) > 1:
        refused += f" `inspect` names {len(recognition.refused) - 1} more."
    refused += "".join(f" {line[0].upper()}{line[1:]}." for line in dropout_lines(view)[:1])
    own = "converts it by itself: `ovc FILE`" if openvino_takes(source.path) else "does not take this file either"
    raise RecipeError(
        f"No DeepSpeech model was found ({recognition.why_not}), and no LSTM that could be converted, nor any other "
        f"state to carry.{refused} OpenVINO {own}."
    )


def _check_general(options: Options, typed: list[str], recognition: Recognition) -> None:
    """Raises RecipeError for options of the IR contract: a graph without a DeepSpeech model gets the general passes.

    typed: what was given of metadata that the graph has no use for.
    """
    given = {
        "--state internal": options.state != "external" and not recognition.has_state,
        "--head": options.head is not None,
        "--time-steps": options.time_steps is not None,
        "--batch dynamic": options.batch == DYNAMIC,
        "--lengths input": options.lengths != "enforce",
        "--audio": options.audio != "none",
    }
    asked = [option for option, is_given in given.items() if is_given]
    asked += [f"--{name.replace('_', '-')}" for name in typed]
    if asked:
        raise RecipeError(
            f"{' and '.join(asked)}: only a DeepSpeech model has that, and none was found "
            f"({recognition.why_not}). Leave the option out."
        )
