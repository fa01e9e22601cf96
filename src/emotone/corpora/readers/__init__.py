"""One reader per corpus."""
