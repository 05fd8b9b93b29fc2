"""Checkpoints of DeepSpeech ≥ 0.2 and Coqui STT: the variables are read, the inference graph is rebuilt."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepspeech_recipe.alphabet import BYTES_ALPHABET, parse_alphabet, read_alphabet, serialize_alphabet
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.canonical import Dense, Weights, canonical_graph
from deepspeech_recipe.sources.checkpoint.bundle import Bundle
from deepspeech_recipe.sources.checkpoint.files import find_prefix, read_flags
from deepspeech_recipe.sources.checkpoint.training_graph import TrainingFeatures, read_training_features
from deepspeech_recipe.sources.loaded_model import Source

_CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
_LAYERS = ("1", "2", "3", "5", "6")
_DEFAULTS = {"sample_rate": 16000, "window_ms": 32, "step_ms": 20}
_FLAGS = {"sample_rate": "audio_sample_rate", "window_ms": "feature_win_len", "step_ms": "feature_win_step"}


@dataclass(frozen=True)
class Naming:
    """How a range of releases names its variables."""

    releases: str
    kernel: str
    bias: str
    cell: str
    forget_bias: float

    def required(self) -> list[str]:
        layers = [pattern.format(layer) for layer in _LAYERS for pattern in (self.kernel, self.bias)]
        return [*layers, f"{self.cell}/kernel", f"{self.cell}/bias"]


NAMINGS = (
    Naming("v0.6 and later, Coqui STT", "layer_{}/weights", "layer_{}/bias", _CELL, 0.0),
    Naming("v0.5", "layer_{}/weights", "layer_{}/bias", "lstm_fused_cell", 1.0),
    Naming("v0.2 to v0.4", "h{}", "b{}", "lstm_fused_cell", 1.0),
)
_STATES = ("previous_state_c", "previous_state_h")


@dataclass(frozen=True)
class Surroundings:
    """directory: where alphabet.txt and flags.txt may lie; name: what the model is called in notes."""

    directory: Path
    name: str
    features: TrainingFeatures | None


def read(path: Path, overrides: dict, shape: dict) -> Source:
    """Reads a checkpoint (a directory, a prefix or one of its files) and rebuilds its inference graph.

    overrides: the alphabet (serialized), sample_rate, window_ms, step_ms, beam_width and language that the
    user typed; shape: n_steps, n_context and upper_frequency. What neither they nor flags.txt say is DeepSpeech's
    default.
    Raises RecipeError where files or variables are missing, or alphabet and network do not agree.
    """
    prefix = find_prefix(path)
    variables = Bundle(prefix)
    naming = find_naming(variables, path)
    surroundings = Surroundings(prefix.parent, f"checkpoint '{prefix.name}'", read_training_features(prefix))
    return build(path, "checkpoint", variables, naming, surroundings, overrides, shape)


def build(
    path: Path,
    kind: str,
    variables: Bundle,
    naming: Naming,
    surroundings: Surroundings,
    overrides: dict,
    shape: dict,
) -> Source:
    """The Source whose graph is rebuilt from variables."""
    directory = surroundings.directory
    flags = read_flags(directory)
    _check_flags(directory, flags)
    weights = make_weights(variables, naming, flags)
    n_context = shape.get("n_context", 9)
    n_input, rest = divmod(len(weights.layer_1.kernel), 2 * n_context + 1)
    if rest:
        raise Refusal(
            f"{path}: layer 1 has {len(weights.layer_1.kernel)} inputs, no multiple of the {2 * n_context + 1} frames "
            f"that a context of {n_context} frames each side makes",
            remedy="Give the context (n_context) the model was trained with",
        )
    notes = [f"{surroundings.name} of {naming.releases}; the inference graph is rebuilt from its variables"]
    alphabet = _alphabet(path, directory, flags, len(weights.layer_6.bias), overrides, notes)
    known = {**overrides, **shape}
    audio = _audio(path, naming, surroundings.features, variables, flags, known, n_input, notes)
    n_steps = shape.get("n_steps", _whole(flags.get("n_steps"), 16))
    initial = _initial(variables, weights.n_hidden)
    graph = canonical_graph(
        weights,
        n_context=n_context,
        n_steps=n_steps if n_steps > 0 else None,
        batch=max(1, _whole(flags.get("export_batch_size"), 1)) if initial is None else len(initial[0]),
        initial=initial,
        audio=audio,
        alphabet=alphabet,
        language=overrides.get("language", _language(flags)),
        beam_width=overrides.get("beam_width", _whole(flags.get("export_beam_width"), 500)),
    )
    notes.append(f"time steps: {n_steps if n_steps > 0 else 'open'}")
    return Source(path, kind, graph, notes=tuple(notes))


def _initial(variables: Bundle, n_hidden: int) -> tuple[np.ndarray, np.ndarray] | None:
    """What the state variables of an exported graph (v0.2 to v0.5) hold, if it is not zero; training has none."""
    if any(name not in variables or variables.shapes[name][1:] != (n_hidden,) for name in _STATES):
        return None
    values = tuple(_floats(variables, name) for name in _STATES)
    if values[0].shape != values[1].shape or not any(map(np.any, values)):
        return None
    return values


def find_naming(variables: Bundle, path: Path) -> Naming:
    """The naming that fits best, all of whose variables are there; else a refusal that says what is missing."""
    missing = {naming: [n for n in naming.required() if n not in variables] for naming in NAMINGS}
    naming = min(missing, key=lambda naming: len(missing[naming]))
    if not missing[naming]:
        return naming
    opaque = next((name for name in variables.shapes if "opaque_kernel" in name.rpartition("/")[2]), None)
    if opaque and all(name.startswith(naming.cell) for name in missing[naming]):
        raise Refusal(
            f"{path}: the LSTM is stored as an opaque CuDNN blob ('{opaque}'), which only CuDNN can read",
            remedy="Save the checkpoint again with DeepSpeech's own training code on a GPU, which writes the "
            "canonical form, or export the model there",
        )
    if any(name.startswith("bidirectional_rnn/") for name in variables.shapes):
        raise Refusal(
            f"{path}: is a checkpoint of v0.1, a bidirectional network; checkpoints are read from v0.2 on",
            remedy="Export it with v0.1's own DeepSpeech.py --export_dir, and give the frozen graph that it writes",
        )
    shown = ", ".join(missing[naming][:6]) + (", …" if len(missing[naming]) > 6 else "")
    raise Refusal(
        f"{path}: is no checkpoint of DeepSpeech: {len(missing[naming])} of {len(naming.required())} variables of "
        f"{naming.releases} are missing ({shown})"
    )


def _check_flags(directory: Path, flags: dict) -> None:
    for name in ("n_steps", "export_batch_size", "export_beam_width", *_FLAGS.values()):
        if abs(_whole(flags.get(name), 0)) >= 2**31:
            reason = f"{directory / 'flags.txt'}: '{name}' is out of range ({flags[name]})"
            raise Refusal(reason, remedy="Correct it, or remove it from the file")


def make_weights(variables: Bundle, naming: Naming, flags: dict) -> Weights:
    """The network's weights; layer normalisation where its variables are there."""

    def dense(layer: str) -> Dense:
        gains = [f"layer_{layer}/LayerNorm/{name}" for name in ("gamma", "beta")]
        has = [name for name in gains if name in variables]
        if len(has) == 1:
            raise Refusal(f"Of layer {layer}'s normalisation only '{has[0]}' is there")
        kernel, bias = (_floats(variables, pattern.format(layer)) for pattern in (naming.kernel, naming.bias))
        return Dense(kernel, bias, *(_floats(variables, name) for name in has))

    clip = flags.get("relu_clip", 20.0)
    return Weights(
        **{f"layer_{layer}": dense(layer) for layer in _LAYERS},
        lstm_kernel=_floats(variables, f"{naming.cell}/kernel"),
        lstm_bias=_floats(variables, f"{naming.cell}/bias"),
        forget_bias=naming.forget_bias,
        relu_clip=float(clip) if isinstance(clip, (int, float)) else 20.0,
    )


def _floats(variables: Bundle, name: str) -> np.ndarray:
    return np.asarray(variables[name], np.float32)


def _alphabet(path, directory: Path, flags: dict, classes: int, overrides: dict, notes: list[str]) -> bytes | None:
    """The serialized alphabet: typed, of a byte model, or beside the checkpoint."""
    beside = directory / "alphabet.txt"
    if "alphabet" in overrides:
        labels, origin = parse_alphabet(overrides["alphabet"]), "the alphabet given"
    elif flags.get("bytes_output_mode") or flags.get("utf8") or (classes == 256 and not beside.is_file()):
        labels, origin = list(BYTES_ALPHABET), "the alphabet of all bytes (bytes output mode)"
    elif beside.is_file():
        labels, origin = read_alphabet(beside), "alphabet.txt beside it"
    else:
        notes.append(f"no alphabet: give an alphabet.txt of {classes - 1} labels to get text")
        return None
    if len(labels) + 1 != classes:
        raise Refusal(
            f"{path}: {origin} has {len(labels)} labels, which makes {len(labels) + 1} classes with the blank, but the "
            f"network has {classes}",
            remedy="Give the alphabet.txt the model was trained with",
        )
    notes.append(f"{origin}: {len(labels)} labels")
    return serialize_alphabet(labels)


def _audio(
    path: Path,
    naming: Naming,
    training: TrainingFeatures | None,
    variables: Bundle,
    flags: dict,
    overrides: dict,
    n_input: int,
    notes: list[str],
) -> AudioSettings | None:
    """The feature part, which v0.5 and later have; the variables do not hold it."""
    if naming is not NAMINGS[0] and training is None:
        notes.append(f"no feature part: {naming.releases} without a .meta file that has one")
        return None
    settings = {name: overrides.get(name, _whole(flags.get(flag), None)) for name, flag in _FLAGS.items()}
    assumed = [name for name, value in settings.items() if value is None]
    settings = {name: _DEFAULTS[name] if value is None else value for name, value in settings.items()}
    rate = settings["sample_rate"]
    window, stride = (_samples(rate, settings[name], name) for name in ("window_ms", "step_ms"))
    if training:
        if "window_ms" in assumed:
            window = training.window_size
        if "step_ms" in assumed:
            stride = training.stride
        assumed = [name for name in assumed if name == "sample_rate"]
    if assumed:
        shown = ", ".join(f"{name} {settings[name]}" for name in assumed)
        notes.append(f"DeepSpeech's defaults, as the checkpoint does not say: {shown}")
    audio = AudioSettings(
        window_size=window,
        stride=stride,
        magnitude_squared=True,
        sample_rate=rate,
        upper_frequency_limit=_upper_frequency(path, training, variables, flags, overrides, rate),
        dct_coefficient_count=n_input,
    )
    audio.check()
    return audio


def _samples(rate: int, milliseconds: int, name: str) -> int:
    samples, rest = divmod(rate * milliseconds, 1000)
    if rest:
        raise Refusal(f"{name} {milliseconds} is {samples + rest / 1000:g} samples at {rate} Hz, no whole number")
    return samples


def _upper_frequency(path, training, variables: Bundle, flags: dict, overrides: dict, rate: int) -> float:
    """v0.6 and v0.5 stopped at 4000 Hz, later releases at half the sample rate; their variables look alike."""
    if "upper_frequency" in overrides:
        return float(overrides["upper_frequency"])
    if training:
        return training.upper_frequency_limit
    # The variable and the flag came with v0.7.
    if "learning_rate" in variables or "reduce_lr_on_plateau" in flags:
        return rate / 2
    if rate == 8000:
        return 4000.0
    raise Refusal(
        f"{path}: nothing tells whether the features stop at 4000 Hz (v0.6) or at {rate / 2:g} Hz (v0.7 and later): "
        f"neither the .meta file, nor flags.txt, nor a variable 'learning_rate' is there",
        remedy=f"Give the upper frequency (--upper-frequency): 4000 or {rate / 2:g}",
    )


def _language(flags: dict) -> str | None:
    language = flags.get("export_language")
    # The exporter's placeholder explains itself in angle brackets.
    return language if isinstance(language, str) and language and not language.startswith("<") else None


def _whole(value, default):
    return value if isinstance(value, int) and not isinstance(value, bool) else default
