"""The tests of what operators see: metrics, dashboard, alerts."""
