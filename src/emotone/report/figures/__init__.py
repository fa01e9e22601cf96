"""Pictures of results, one kind per module; each function returns a matplotlib ``Figure``."""
