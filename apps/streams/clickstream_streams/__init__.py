"""The processor: exact windowed metrics of clickstream-events.

Two stages, each a kstreams stream (`main`). Stage 1 (`events_stage`) counts each partition of the events topic by
itself and writes partials; stage 2 (`merge_stage`) merges them into one result per window. The log is the state store,
and all output is committed in transactions. `watermarks` says when a window closes, `commits` what a commit contains.
"""
