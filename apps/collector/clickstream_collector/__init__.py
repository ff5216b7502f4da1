"""The collector: browsers post events, and an answer of 200 means that Kafka has them.

A request's way, in the order of the code: `ingest` (HTTP), `bodies` (bytes), `payloads` (JSON), `intake` (limits and
wishes), `events` (what a client may send, and the record made of it) with `visits`, `devices` and `countries` for what
the request itself tells, `delivery` (batches on their way to Kafka) and back.
"""
