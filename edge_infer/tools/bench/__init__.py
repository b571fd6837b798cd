"""How fast, how steady, how warm and how thirsty: what `edge-infer bench` measures, keeps and compares."""
