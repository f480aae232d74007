"""The analytics API (port 5002): data mining, and what reports need."""
