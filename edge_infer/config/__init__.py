"""Strict YAML: typed structs out, every problem with file, line and column; commented YAML and JSON Schema back."""

from edge_infer.config.credential import credential
from edge_infer.config.decode import load, parse
from edge_infer.config.options import from_options
from edge_infer.config.render import render, sample, schema

__all__ = ["credential", "from_options", "load", "parse", "render", "sample", "schema"]
