"""Acted corpora in German, Italian and Polish: EMO-DB, EMOVO and nEMO."""
