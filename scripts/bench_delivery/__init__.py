"""Measurements of delivery: what it writes on a device, what a collector takes."""
