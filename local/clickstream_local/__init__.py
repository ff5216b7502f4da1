"""The embedded default: the whole pipeline on this machine, on a real Apache Kafka broker of its own."""
