"""A bundle's golden test: known pictures or windows of samples, and what the model must say about them."""

from edge_infer.golden.judging import Verdict, golden_problems, golden_verdicts

__all__ = ["Verdict", "golden_problems", "golden_verdicts"]
