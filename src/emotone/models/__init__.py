"""Models by name: what a classifier is, how it is fitted and searched, and the graph that a fitted one becomes."""
