"""Results as text, pictures and pages, made from a run directory."""
