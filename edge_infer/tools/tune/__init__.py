"""`edge-infer tune`: which threads, workers and device a model is best run with, on this machine, beside its source."""
