"""How the device and its stages are doing."""
