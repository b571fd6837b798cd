"""The cloud side: what devices publish becomes rows in a database. An extra, never imported on a device."""
