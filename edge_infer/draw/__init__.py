"""Predictions drawn on a picture, legible at any size."""

from edge_infer.draw.colors import COLORS
from edge_infer.draw.files import VIDEO_QUALITY, encode_jpeg, save, save_png
from edge_infer.draw.picture import draw

__all__ = ["COLORS", "VIDEO_QUALITY", "draw", "encode_jpeg", "save", "save_png"]
