"""The dashboard: window results from Kafka, shown in a terminal or printed for whoever reads the pod's log."""
