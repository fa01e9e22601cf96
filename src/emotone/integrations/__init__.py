"""Emotone inside the programs of others: a module per partner, each imported by users alone."""
