"""The options of a conversion, and what of them no model, this model or a general graph allows."""

from dataclasses import dataclass

from deepspeech_recipe.conversion.settings import check_settings
from deepspeech_recipe.converters.request import Request, check_choice
from deepspeech_recipe.errors import RecipeError, Refusal
from deepspeech_recipe.ir.names import DYNAMIC
from deepspeech_recipe.passes.weight_matrix import ACTIVATIONS
from deepspeech_recipe.recipes.recognition import Recognition
from deepspeech_recipe.sources import LoadedModel

CONVERTERS = ("auto", "mo", "openvino")
LENGTHS = ("enforce", "input")
AUDIO = ("none", "separate", "attached")
WEIGHTS = ("fp32", "fp16", "int8")
DEVICES = ("CPU", "GPU", "NPU")


@dataclass(frozen=True)
class Options:
    """What `convert` is asked for, named as there."""

    request: Request
    converter: str
    lengths: str
    audio: str
    weights: str
    keep_fp16: tuple[str, ...] = ()
    activations: str | None = None
    device: str = "CPU"

    @property
    def streaming(self) -> bool:
        return self.audio == "attached" and self.request.state == "internal"

    def check(self) -> None:
        """Raises RecipeError for what no model allows."""
        self.request.check()
        for what, value, choices in (
            ("converter", self.converter, CONVERTERS),
            ("lengths", self.lengths, LENGTHS),
            ("audio", self.audio, AUDIO),
            ("weights", self.weights, WEIGHTS),
            ("activations", self.activations or "int8", ACTIVATIONS),
            ("device", self.device, DEVICES),
        ):
            check_choice(what, value, choices)
        if self.keep_fp16 and self.weights != "int8":
            raise RecipeError(
                f"--keep-fp16 names layers that weights of 8 bits leave wider; these are {self.weights}. "
                "Give --weights int8 with it."
            )
        if self.activations and self.weights != "int8":
            raise RecipeError(
                f"--activations says what weights of 8 bits are multiplied by; these are {self.weights}. "
                "Give --weights int8 with it."
            )
        if self.audio == "attached" and self.request.time_steps not in (None, DYNAMIC):
            raise RecipeError(
                f"With audio attached a call takes any number of samples, so the time steps cannot be fixed to "
                f"{self.request.time_steps}. Leave --time-steps out, or use --audio separate."
            )
        if self.streaming and self.lengths == "input":
            raise RecipeError(
                "With audio attached and internal state a call takes one block of one stream, so an input of lengths "
                "has no use. Leave --lengths out, or keep the state external."
            )

    def check_model(self, source: LoadedModel, recognition: Recognition) -> None:
        """Raises RecipeError for what this model does not allow."""
        model = recognition.acoustic
        if model is None:
            self._check_general(recognition)
            return
        self.request.check_model(model)
        check_settings(source, model)
        if self.streaming and self.request.size_of("batch", model) != 1:
            raise RecipeError(
                "With audio attached and internal state a call takes one stream, so the batch must be 1, not "
                f"{self.request.size_of('batch', model)}. Give --batch 1; more streams are more inference requests."
            )
        if self.audio != "none" and model.audio is None:
            raise Refusal(
                f"DeepSpeech {model.generation} has no feature part: v0.4 and older computed another kind of MFCC "
                "outside of the graph",
                remedy="Convert with --audio none",
            )

    def _check_general(self, recognition: Recognition) -> None:
        """A graph without a DeepSpeech model gets the general passes, and none of the contract's options."""
        request = self.request
        lstms = (*recognition.lstms, *recognition.rnns, *recognition.static_rnns)
        if not lstms and not recognition.states and not recognition.model:
            refused = "".join(f" {refusal}" for refusal in recognition.refused)
            raise RecipeError(
                f"No DeepSpeech model was found ({recognition.why_not}), and no LSTM that could be converted, "
                "nor any other state to carry."
                f"{refused} Use OpenVINO's own `ovc` for other models."
            )
        asked = {
            "--state internal": request.state != "external" and not recognition.has_state,
            "--head": request.head is not None,
            "--time-steps": request.time_steps is not None,
            "--batch dynamic": request.batch == DYNAMIC,
            "--lengths input": self.lengths != "enforce",
            "--audio": self.audio != "none",
        }
        asked = [option for option, given in asked.items() if given]
        if asked:
            raise RecipeError(
                f"{' and '.join(asked)}: only a DeepSpeech model has that, and none was found "
                f"({recognition.why_not}). Leave the option out."
            )
