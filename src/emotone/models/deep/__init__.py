"""Networks on frames."""
