"""The collector: browsers post events, and an answer of 200 means that Kafka has them.

A request passes through these modules: `ingest` (HTTP), `bodies` (bytes), `payloads` (JSON), `pipeline` (limits,
consent, crawlers), `events` (what a client may send, and its record) with `request_info`, `devices` and `countries` for
what the request itself tells, `delivery` and `batches` (to Kafka and back). `supervisor` keeps the connection to Kafka.
"""
