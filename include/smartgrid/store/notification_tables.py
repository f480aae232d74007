"""Tables of the store for notifications and their delivery."""
