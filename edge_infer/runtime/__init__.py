"""What runs a model: LiteRT or tflite-runtime, and a scripted fake."""
