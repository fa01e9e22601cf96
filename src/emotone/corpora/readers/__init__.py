"""One reader for each corpus, and those of manifests and folders."""
