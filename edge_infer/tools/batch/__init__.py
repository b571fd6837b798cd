"""Many pictures and videos through a model, on all cores, into one file; killed at any point, it goes on from there."""
