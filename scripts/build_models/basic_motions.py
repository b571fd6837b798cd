"""BasicMotions of the UEA archive, from a package that carries it: for training alone, the bundle does not hold it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from edge_infer.types import Array

PACKAGE = "aeon==1.6.0"
FOLDER = "aeon/datasets/data/BasicMotions"
LABELS = ("Standing", "Running", "Walking", "Badminton")  # in the order of the file
# The archive names neither axes nor units. Standing has a mean of 0: acceleration is without gravity. Its largest
# values are 3.0 g in m/s^2, and 2000 degrees/s in rad/s, which is where gyroscopes of watches end.
CHANNELS = ("linear_accel_x", "linear_accel_y", "linear_accel_z", "anglvel_x", "anglvel_y", "anglvel_z")
UNITS = ("m/s^2",) * 3 + ("rad/s",) * 3
RATE_HZ = 10.0
STEPS = 100

Cases = tuple[Array, Array]  # `(cases, STEPS, len(CHANNELS)) float32`, `(cases,) int` places in LABELS


def fetch(folder: Path) -> Path:
    """Download the package once and unpack the data; returns the folder of the two files."""
    unpacked = folder / "basic-motions"
    if not (unpacked / FOLDER).is_dir():
        wheels = folder / "wheels"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), PACKAGE]
        subprocess.run(pip, check=True)
        with zipfile.ZipFile(next(wheels.glob("aeon-*.whl"))) as archive:
            archive.extractall(unpacked, [name for name in archive.namelist() if name.startswith(FOLDER)])
    return unpacked / FOLDER


def cases(folder: Path, split: str) -> Cases:
    """The cases of `TRAIN` or `TEST`, as the archive splits them.

    Source: the format .ts: after @data a line for each case, its channels and at last its class apart by colons.
    """
    text = (folder / f"BasicMotions_{split}.ts").read_text()
    lines = text.partition("@data")[2].split()
    rows = [line.split(":") for line in lines]
    windows = np.array([[channel.split(",") for channel in row[:-1]] for row in rows], np.float32)
    return windows.transpose(0, 2, 1).copy(), np.array([LABELS.index(row[-1]) for row in rows])
