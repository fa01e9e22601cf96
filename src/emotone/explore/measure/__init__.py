"""Every clip of a corpus measured once."""
