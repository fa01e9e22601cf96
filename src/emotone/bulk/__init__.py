"""Annotate archives of recordings, on one machine or a cluster."""
