"""The shell of Clickstream's web pages."""
