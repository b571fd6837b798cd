"""How fast YOLO outputs are decoded."""
