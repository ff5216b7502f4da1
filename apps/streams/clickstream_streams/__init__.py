"""The processor: exact windowed metrics of clickstream-events.

Two stages, each a kstreams stream. Stage 1 (`events_stage`) counts each partition of the events topic for itself and
writes partials; stage 2 (`merge_stage`) merges them into one result per window. The log is the state store, and a
transaction is the only way anything becomes true. `watermarks` says where a window closes, `commits` what a commit
contains.
"""
