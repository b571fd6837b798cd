"""An MQTT connection: where the broker is, who we are, one link."""
