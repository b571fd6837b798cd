"""How well `edge-infer fit anomaly` tells the normal from what is not, and what that costs."""
