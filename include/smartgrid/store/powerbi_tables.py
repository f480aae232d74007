"""Tables of the store for refreshes of Power BI datasets."""
