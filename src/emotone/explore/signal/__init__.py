"""One clip of each emotion, and means over the corpus."""
