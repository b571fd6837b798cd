"""Trains models/activity. Runs where TensorFlow is: `python train_activity.py CASES.npz OUT SEED...`.

Everything here was fixed before the test set was looked at, which is not even given to this file: the cases hold
windows of the training set, normalised and cut off at LIMIT, and their classes.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

COPIES = 50  # of each window, altered: 2000 windows
EPOCHS, BATCH, RATE = 20, 32, 1e-3
# How copies differ: they begin elsewhere, are stronger or weaker, and noisier.
GAIN, NOISE = 0.1, 0.05
WIDTHS, KERNEL = (16, 24, 32), 5


def main() -> int:
    with np.load(sys.argv[1]) as given:
        windows, classes = given["windows"], given["classes"]
    for seed in map(int, sys.argv[3:]):
        model = train(windows, classes, seed)
        for name, content in converted(model, windows, Path(sys.argv[2]) / f"{seed}.saved").items():
            (Path(sys.argv[2]) / f"{name}-{seed}.tflite").write_bytes(content)
        print(f"seed {seed}: {model.count_params()} parameters", flush=True)
    return 0


def train(windows: Any, classes: Any, seed: int) -> Any:
    tf.keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    model = network(windows.shape[1:], int(classes.max()) + 1)
    model.compile(tf.keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")
    many = np.stack([altered(window, random) for _ in range(COPIES) for window in windows])
    model.fit(many, np.tile(classes, COPIES), BATCH, EPOCHS, verbose=0)
    return model


def network(shape: tuple[int, int], classes: int) -> Any:
    """Convolutions along the time; as two-dimensional ones, which every runtime and the Edge TPU know."""
    layers = tf.keras.layers
    given = tf.keras.Input(shape, name="window")
    x = layers.Reshape((shape[0], 1, shape[1]))(given)
    for width in WIDTHS:
        x = layers.Conv2D(width, (KERNEL, 1), strides=(2, 1), padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(given, layers.Dense(classes, activation="softmax", name="scores")(x))


def altered(window: Any, random: np.random.Generator) -> Any:
    rolled = np.roll(window, random.integers(len(window)), axis=0)
    return (rolled * random.uniform(1 - GAIN, 1 + GAIN) + random.normal(0, NOISE, window.shape)).astype(np.float32)


def converted(model: Any, windows: Any, folder: Path) -> dict[str, bytes]:
    """The .tflite files, float and int8; from a saved model, since Keras 3 fails to be calibrated from functions."""
    signature = [tf.TensorSpec((1, *windows.shape[1:]), tf.float32, "window")]
    model.export(folder, verbose=False, input_signature=signature)
    plain = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([window[None]] for window in windows)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return {"float": plain, "int8": converter.convert()}


if __name__ == "__main__":
    tf.config.experimental.enable_op_determinism()
    sys.exit(main())
