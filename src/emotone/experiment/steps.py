"""One progress count over stages of unequal length."""
