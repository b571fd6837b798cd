"""Frames become model inputs: pure arithmetic, no device."""
