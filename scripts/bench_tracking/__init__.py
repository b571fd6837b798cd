"""Trackers on scenes whose truth is known."""
