"""A runtime in a process of its own, which may hang, crash or be killed without harm to ours (docs/adr/0008)."""
