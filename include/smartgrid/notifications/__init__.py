"""Notifications: an outbox in the results store, drained over webhook, SMS, push and e-mail."""
