"""Ours beside what a user would pick instead: equal frames, models and work, in one interleaved run."""
