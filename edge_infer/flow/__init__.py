"""Threads: hand-over, retry, counting. Nothing here knows what it carries."""
