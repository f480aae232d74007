"""One family of row checks a file; each takes arrays and returns findings."""
