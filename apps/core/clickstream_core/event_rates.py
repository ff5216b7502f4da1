"""How many events per second the producer can be asked for: bounds that it shares with the programs that start it."""

LOWEST_RATE = 0.001
HIGHEST_RATE = 100_000

EVENTS_PER_PROCESS = 8_000
"""Events per second up to which one process is enough; a Python process sends some 20,000 with a core of its own, which
it does not have on a small machine."""
