"""How Clickstream's apps use Kafka.

Exactly-once processing on kstreams' engine, for any app: `engine` says what is taken from kstreams and makes engines
and streams, `partition_stream` owns the tasks of a stream, `tasks` is a task's life, `transactions` is how it writes,
`batches` how it reads.
"""
