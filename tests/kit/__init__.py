"""What makes the other tests easy: a real broker, apps as processes, generated streams and an independent count.

Nothing here knows how the pipeline works inside. In particular the offline count shares no code with it.
"""
