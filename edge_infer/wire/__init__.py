"""What travels over MQTT: payload types, topics, schemas."""
