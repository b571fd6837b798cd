"""What decoding costs, warm and cold, for each kind of model."""
