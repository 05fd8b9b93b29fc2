"""Checkpoints of DeepSpeech ≥ 0.2 and Coqui STT: the variables are read, the inference graph is rebuilt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deepspeech_recipe.alphabet import BYTES_ALPHABET, parse_alphabet, read_alphabet, serialize_alphabet
from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.ir.audio_settings import AudioSettings
from deepspeech_recipe.sources.canonical import canonical_graph
from deepspeech_recipe.sources.checkpoint.bundle import Bundle
from deepspeech_recipe.sources.checkpoint.files import find_prefix
from deepspeech_recipe.sources.checkpoint.flags import Flags, read_flags
from deepspeech_recipe.sources.checkpoint.training_graph import TrainingFeatures, read_training_features
from deepspeech_recipe.sources.checkpoint.variables import NAMINGS, Naming, find_naming, initial_states, make_weights
from deepspeech_recipe.sources.loaded_model import Given, LoadedModel

_DEFAULTS = {"sample_rate": 16000, "window_ms": 32, "step_ms": 20}
_FLAGS = {"sample_rate": "audio_sample_rate", "window_ms": "feature_win_len", "step_ms": "feature_win_step"}


@dataclass(frozen=True)
class Surroundings:
    """What lies beside the variables, and says what they do not.

    path: what the user named. name: what the model is called in notes. directory: where alphabet.txt and flags.txt may
    lie.
    """

    path: Path
    name: str
    directory: Path
    features: TrainingFeatures | None


def read_checkpoint(path: Path, given: Given) -> LoadedModel:
    """Reads a checkpoint (a directory, a prefix or one of its files) and rebuilds its inference graph.

    What neither the user nor flags.txt says is DeepSpeech's default.
    Raises RecipeError if files or variables are missing, or alphabet and network do not agree.
    """
    prefix = find_prefix(path)
    variables = Bundle(prefix)
    naming = find_naming(variables, path)
    beside = Surroundings(path, f"checkpoint '{prefix.name}'", prefix.parent, read_training_features(prefix))
    return rebuild("checkpoint", variables, naming, beside, given)


def rebuild(kind: str, variables: Bundle, naming: Naming, beside: Surroundings, given: Given) -> LoadedModel:
    """The model of a kind whose graph is made from its variables."""
    flags, typed, shape = read_flags(beside.directory), given.metadata, given.shape
    weights = make_weights(variables, naming, flags.number("relu_clip", 20.0))
    n_context = shape.get("n_context", 9)
    classes = weights.layer_6.bias.shape[0]
    n_input = weights.n_input(n_context)
    notes = [f"{beside.name} of {naming.releases}; the inference graph is rebuilt from its variables"]
    alphabet = _alphabet(beside, flags, classes, typed.get("alphabet"), notes)
    audio = None
    if naming is NAMINGS[0] or beside.features:
        audio = _audio(beside, variables, flags, {**typed, **shape}, n_input, notes)
    else:
        notes.append(f"no feature part: {naming.releases} without a .meta file that has one")
    n_steps = shape.get("n_steps", flags.whole("n_steps", 16))
    initial = initial_states(variables, weights.n_hidden)
    graph = canonical_graph(
        weights,
        n_context=n_context,
        n_steps=n_steps if n_steps > 0 else None,
        batch=max(1, flags.whole("export_batch_size", 1)) if initial is None else len(initial[0]),
        initial=initial,
        audio=audio,
        alphabet=alphabet,
        language=typed.get("language", flags.language),
        beam_width=typed.get("beam_width", flags.whole("export_beam_width", 500)),
    )
    notes.append(f"time steps: {n_steps if n_steps > 0 else 'open'}")
    return LoadedModel(beside.path, kind, graph, notes=tuple(notes), external=weights.external)


def _alphabet(beside: Surroundings, flags: Flags, classes: int, given: bytes | None, notes: list[str]) -> bytes | None:
    """The serialized alphabet: typed, of a byte model, or beside the checkpoint."""
    file = beside.directory / "alphabet.txt"
    if given is not None:
        labels, origin = parse_alphabet(given), "the alphabet given"
    elif flags.is_bytes_model or (classes == 256 and not file.is_file()):
        labels, origin = list(BYTES_ALPHABET), "the alphabet of all bytes (bytes output mode)"
    elif file.is_file():
        labels, origin = read_alphabet(file), "alphabet.txt beside it"
    else:
        notes.append(f"no alphabet: give an alphabet.txt of {classes - 1} labels to get text")
        return None
    if len(labels) + 1 != classes:
        raise Refusal(
            f"{beside.path}: {origin} has {len(labels)} labels, which makes {len(labels) + 1} classes with the blank, "
            f"but the network has {classes}",
            remedy="Give the alphabet.txt the model was trained with",
        )
    notes.append(f"{origin}: {len(labels)} labels")
    return serialize_alphabet(labels)


def _audio(
    beside: Surroundings, variables: Bundle, flags: Flags, known: Mapping, n_input: int, notes: list[str]
) -> AudioSettings:
    """The feature part, which v0.5 and later have; the variables do not hold it."""
    settings = {name: known.get(name, flags.whole(flag, None)) for name, flag in _FLAGS.items()}
    assumed = [name for name, value in settings.items() if value is None]
    settings = {name: _DEFAULTS[name] if value is None else value for name, value in settings.items()}
    rate = settings["sample_rate"]
    window, stride = (_samples(rate, settings[name], name) for name in ("window_ms", "step_ms"))
    if beside.features:
        if "window_ms" in assumed:
            window = beside.features.window_size
        if "step_ms" in assumed:
            stride = beside.features.stride
        assumed = [name for name in assumed if name == "sample_rate"]
    if assumed:
        shown = ", ".join(f"{name} {settings[name]}" for name in assumed)
        notes.append(f"DeepSpeech's defaults, as the checkpoint does not say: {shown}")
    audio = AudioSettings(
        window_size=window,
        stride=stride,
        magnitude_squared=True,
        sample_rate=rate,
        upper_frequency_limit=_upper_frequency(beside, variables, flags, known, rate),
        dct_coefficient_count=n_input,
    )
    audio.check()
    return audio


def _samples(rate: int, milliseconds: int, name: str) -> int:
    samples, rest = divmod(rate * milliseconds, 1000)
    if rest:
        raise Refusal(
            f"{name} {milliseconds} is {samples + rest / 1000:g} samples at {rate} Hz, which is not a whole number"
        )
    return samples


def _upper_frequency(beside: Surroundings, variables: Bundle, flags: Flags, known: Mapping, rate: int) -> float:
    """v0.6 and v0.5 stopped at 4000 Hz, later releases at half the sample rate; their variables look alike."""
    if "upper_frequency" in known:
        return float(known["upper_frequency"])
    if beside.features:
        return beside.features.upper_frequency_limit
    # The variable and the flag came with v0.7.
    if "learning_rate" in variables or "reduce_lr_on_plateau" in flags:
        return rate / 2
    if rate == 8000:
        return 4000.0
    raise Refusal(
        f"{beside.path}: nothing tells whether the features stop at 4000 Hz (v0.6) or at {rate / 2:g} Hz (v0.7 and "
        f"later): neither the .meta file, nor flags.txt, nor a variable 'learning_rate' is there",
        remedy=f"Give the upper frequency (--upper-frequency): 4000 or {rate / 2:g}",
    )
