"""Which version serves: promotion, rollback, and the ledger that remembers both."""
