"""Download corpora, verify them, and unpack them."""
