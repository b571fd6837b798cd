"""How many instructions a frame takes, by stage."""
