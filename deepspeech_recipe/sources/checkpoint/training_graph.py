"""What a checkpoint's .meta file, the training graph, says about the features."""

from dataclasses import dataclass
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.graphdef.proto import MetaGraphDef, parse

_LARGEST = 2**28


@dataclass(frozen=True)
class TrainingFeatures:
    """How the training computed its features: window_size and stride in samples, the limit in Hz."""

    window_size: int
    stride: int
    upper_frequency_limit: float


def read_training_features(prefix: Path) -> TrainingFeatures | None:
    """The settings of the AudioSpectrogram and Mfcc nodes in `<prefix>.meta`, its functions included.

    None if there is no .meta file, or it computes no features (v0.4 and older).
    """
    path = prefix.with_name(f"{prefix.name}.meta")
    if not path.is_file():
        return None
    with reading(path):
        if path.stat().st_size > _LARGEST:
            raise RecipeError(f"{path}: is too large for a training graph.")
        graph = parse(MetaGraphDef, path.read_bytes(), what=str(path)).graph_def
    return find_features(graph)


def find_features(graph) -> TrainingFeatures | None:
    """The settings of the AudioSpectrogram and Mfcc nodes of a GraphDef; None if it has none."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    spectrogram = next((node for node in nodes if node.op == "AudioSpectrogram"), None)
    mfcc = next((node for node in nodes if node.op == "Mfcc"), None)
    if spectrogram is None or mfcc is None:
        return None
    limit = mfcc.attr["upper_frequency_limit"].f if "upper_frequency_limit" in mfcc.attr else 4000.0
    return TrainingFeatures(spectrogram.attr["window_size"].i, spectrogram.attr["stride"].i, limit)
