"""Runs the IR as a program would: python run.py IR.xml READINGS.npz

Prints the scores of five chained calls, and how far they are from TensorFlow's. Needs numpy and OpenVINO only.
"""

import sys

import numpy as np

from deepspeech_recipe.runtime import StatefulModel


def main(ir: str, file: str) -> None:
    values = np.load(file)
    model = StatefulModel(ir)
    print(", ".join(model.metadata["classes"]))
    found = []
    for readings in values["readings"]:
        scores = model({"readings": readings})["scores"]
        found.append(scores)
        print(", ".join(f"{score:.3f}" for score in scores[0]))
    print(f"largest difference from TensorFlow: {np.abs(np.stack(found) - values['scores']).max():.1e}")
    model.reset()  # the next machine


if __name__ == "__main__":
    main(*sys.argv[1:])
