"""Models on one row of features a clip."""
