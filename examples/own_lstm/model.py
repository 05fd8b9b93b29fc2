"""A model that is not DeepSpeech: scores of a machine's health from three sensors, four readings a call.

    python model.py DIRECTORY

writes the SavedModel DIRECTORY, and the same numbers as NumPy arrays beside it, for comparison: DIRECTORY.npz with
`readings` `[5, 1, 4, 3]`, five chained calls, and `scores` `[5, 1, 2]`. Needs TensorFlow.
"""

import sys

import keras
import numpy as np
import tensorflow as tf


def main(directory: str) -> None:
    keras.utils.set_random_seed(1)
    readings = keras.Input(batch_shape=(1, 4, 3))
    # stateful: the state is kept in two variables, from one call to the next.
    hidden = keras.layers.LSTM(8, stateful=True, unroll=True, name="memory")(readings)
    scores = keras.layers.Dense(2, activation="softmax")(hidden)
    model = keras.Model(readings, scores)
    model.export(directory, verbose=False)

    call = tf.saved_model.load(directory).signatures["serving_default"]
    (argument,) = call.structured_input_signature[1]
    values = np.random.default_rng(1).standard_normal((5, 1, 4, 3)).astype(np.float32)
    found = [call(**{argument: tf.constant(each)})["output_0"].numpy() for each in values]
    np.savez(f"{directory}.npz", readings=values, scores=np.stack(found))


if __name__ == "__main__":
    main(sys.argv[1])
