"""Recorded inputs on disk: what a model was shown, and what came of it."""
