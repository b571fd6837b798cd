"""One program for each contender, for an environment of its own: nothing here but ours.py may import edge_infer."""
