"""Which emotion a voice carries, and how far that answer can be trusted."""

__version__ = "0.1.0"
