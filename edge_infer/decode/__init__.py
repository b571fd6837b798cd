"""Model outputs become predictions: pure arithmetic, no device."""
