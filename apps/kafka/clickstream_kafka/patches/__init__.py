"""What the client libraries lack or do wrong, put right in the running process."""
