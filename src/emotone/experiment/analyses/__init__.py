"""Studies beside the score of a run, one a module."""
