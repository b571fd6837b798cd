"""A model on disk: flatbuffer, TFLite metadata, manifest, labels, golden test."""
