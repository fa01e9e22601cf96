"""What a corpus contains, and what was rejected."""
