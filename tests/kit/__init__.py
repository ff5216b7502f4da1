"""Shared by all tests: a real broker, apps as processes, generated streams and an independent count.

Nothing here depends on how the pipeline works inside. In particular the offline count shares no code with it.
"""
