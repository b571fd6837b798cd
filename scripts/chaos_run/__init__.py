"""Everything is killed, frozen, cut off and filled up at random, and then counted: nothing may be missing or double."""
