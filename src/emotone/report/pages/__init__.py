"""HTML pages, made from what a run or a comparison wrote: one file, no script, nothing loaded from elsewhere."""
