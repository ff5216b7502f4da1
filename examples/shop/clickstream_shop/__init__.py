"""A small demo shop with the collector's snippet."""
