"""Well-known models by name: where they come from, and how they come onto this device."""
