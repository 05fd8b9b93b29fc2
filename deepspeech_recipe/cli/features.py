"""Writes an array for each frame of recordings: probabilities, or the output of a layer, as .npy files.

One recording: OUT.npy. Several: OUT is a directory, with a file for each of them, named as it is. Rows are frames:
50 a second with the usual step of 20 ms. --rate gives another number of them by linear interpolation. With an IR of
DeepSpeech v0.1, `--rate 50 --windows 16 --stride 2` gives what talking-head projects train on: 25 windows a second.
"""

import argparse
from pathlib import Path

from deepspeech_recipe.cli import recognition
from deepspeech_recipe.errors import RecipeError

HELP = "recordings → per-frame arrays (.npy)"


def add_arguments(parser) -> None:
    parser.add_argument("audio", nargs="+", metavar="WAV", help="recordings")
    recognition.add_arguments(parser, search=False)
    parser.add_argument("-o", "--output", metavar="OUT.npy", required=True)
    parser.add_argument("--rate", type=_positive, metavar="FPS", help="frames a second (default: the model's own)")
    parser.add_argument(
        "--tensor", metavar="NAME", default="logits",
        help="logits (default), dense_1, dense_2, dense_3, lstm, dense_5 or dense_6 (the scores before the softmax)",
    )  # fmt: skip
    parser.add_argument("--windows", type=int, metavar="N", help="give each frame with those around it: N at a time")
    parser.add_argument("--stride", type=int, metavar="N", default=1, help="take every N-th of them (default: 1)")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames a second")
    return value


def run(arguments) -> int:
    import numpy as np

    from deepspeech_recipe.files import atomic_path, check_writable
    from deepspeech_recipe.runtime.frame_features.deepspeech_v01 import extractor
    from deepspeech_recipe.runtime.frame_features.frames import check_stride
    from deepspeech_recipe.runtime.recordings.audio_files import read_audio

    outputs = _outputs(arguments)
    for path in outputs:
        check_writable(path)
    check_stride(arguments.stride)
    network = extractor(arguments.model, arguments.device, alphabet=arguments.alphabet)
    for audio, path in zip(arguments.audio, outputs, strict=True):
        samples = read_audio(audio, network.sample_rate, recognition.log)
        found = network.features(samples, arguments.tensor, arguments.rate, arguments.windows)[:: arguments.stride]
        with atomic_path(path) as temporary:
            np.save(temporary, found)
        print(f"{path}: {list(found.shape)}")
    return 0


def _outputs(arguments) -> list[Path]:
    output = Path(arguments.output)
    if len(arguments.audio) == 1 and not output.is_dir():
        if output.suffix != ".npy":
            raise RecipeError(f"{output}: give the name of an .npy file, or a directory that exists.")
        return [output]
    if not output.is_dir():
        raise RecipeError(f"{output}: several recordings need a directory; make it first.")
    outputs = [output / f"{Path(audio).stem}.npy" for audio in arguments.audio]
    if len(set(outputs)) < len(outputs):
        raise RecipeError(f"{output}: two of the recordings have the same name.")
    return outputs
