"""Measure and try models: what a person runs, not the daemon."""
