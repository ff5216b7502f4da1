"""Counts the scenarios' results on Spark, and copies topics to Parquet (docs/scenarios.md#statistics).

Pure: `counts` is what the results add up to, `batch_files` what a batch's files are called and hold. `main` runs the
statistics and `copying` the copy; both are a `job`, which keeps one streaming query running.
"""
