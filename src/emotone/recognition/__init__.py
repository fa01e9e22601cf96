"""A bundle in, predictions out."""
