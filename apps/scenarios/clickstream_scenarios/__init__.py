"""Applies scenarios, rules that people write on a page, to tracking requests (docs/scenarios.md).

Pure: `scenario`, `member`, `decoding`, `requests`, `operators`, `rules`. `partition` is what a partition of requests
owes; `task` and `main` stand between it and Kafka. `sources` says what is asked of the store.
"""
