"""How results leave: outbox, MQTT, files."""
