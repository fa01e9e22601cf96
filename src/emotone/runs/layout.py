"""A run directory's files: each is written whole or not at all, and no folder of somebody else's is written into."""

CONFIG = "config.toml"
METRICS = "metrics.json"
PREDICTIONS = "predictions.parquet"
REPORT = "report.html"
WORK = ".work"
