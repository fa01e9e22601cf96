"""Acted corpora in English: TESS, CREMA-D and SAVEE."""
