"""Simulated users of a web shop, whose events go to Kafka at an exact rate."""
