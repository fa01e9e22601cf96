"""Two emotions, one against the other."""
