"""Tables of the store for the results of mining runs."""
