"""What is normal is learned from a recording, and becomes a bundle that says how unusual things are."""
