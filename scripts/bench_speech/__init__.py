"""How well speech and wake words are found in noise."""
