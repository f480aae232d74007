"""The notification API (port 5003): send, history, dead letters, receivers, callbacks."""
