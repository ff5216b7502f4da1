"""The dashboard: window results from Kafka, in a terminal, in the pod's log, and as a live page."""
