"""Who gets which cores and which device: arithmetic over figures that were measured, or over rules where none were."""
