"""Coqui's exporter on given weights: `export_tflite.py FOLDER HIDDEN OUTPUT.tflite`, on Python 3.7.

FOLDER: `weights.npz` and `alphabet.txt`. The environment: `tests/fixtures/exporter/make.sh`.
"""

import os
import shutil
import subprocess
import sys

import numpy as np

FOLDER, HIDDEN, OUTPUT = sys.argv[1:4]
CHECKPOINT, EXPORTED = os.path.join(FOLDER, "checkpoint"), os.path.join(FOLDER, "exported")
sys.argv = [
    *("export", "--checkpoint_dir", CHECKPOINT, "--export_dir", EXPORTED, "--n_hidden", HIDDEN),
    *("--alphabet_config_path", os.path.join(FOLDER, "alphabet.txt")),
    *("--export_tflite", "true", "--export_quantize", "true"),
]


def checkpoint():
    import tensorflow as tf
    from coqui_stt_training.deepspeech_model import create_inference_graph
    from coqui_stt_training.util.config import Config, initialize_globals_from_cli

    tf1 = tf.compat.v1
    initialize_globals_from_cli()
    create_inference_graph(batch_size=Config.export_batch_size, n_steps=Config.n_steps)
    saver = tf1.train.Saver()
    with np.load(os.path.join(FOLDER, "weights.npz")) as weights, tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for variable in tf1.global_variables():
            name = variable.op.name
            lstm = {"kernel": "lstm_kernel", "bias": "lstm_bias"}.get(name.split("/")[-1]) if "lstm" in name else None
            key = lstm or name.replace("/", "_")
            if key in weights:
                variable.load(weights[key], session)
            else:
                print("not loaded:", name)
        saver.save(
            session, os.path.join(CHECKPOINT, "best_dev"), latest_filename="best_dev_checkpoint",
            write_meta_graph=False,
        )  # fmt: skip


def export():
    from coqui_stt_training.export import export as run
    from coqui_stt_training.util.config import initialize_globals_from_cli

    initialize_globals_from_cli()
    run()


if __name__ == "__main__":
    if len(sys.argv) and os.environ.get("EXPORT_STEP"):
        {"checkpoint": checkpoint, "export": export}[os.environ["EXPORT_STEP"]]()
    else:
        os.makedirs(CHECKPOINT, exist_ok=True)
        for step in ("checkpoint", "export"):  # one process each: TensorFlow 1 keeps one graph
            subprocess.check_call(
                [sys.executable, os.path.abspath(__file__), FOLDER, HIDDEN, OUTPUT],
                env=dict(os.environ, EXPORT_STEP=step),
            )
        shutil.move(os.path.join(EXPORTED, "output_graph.tflite"), OUTPUT)
