"""Features that separate emotions, and their projections."""
