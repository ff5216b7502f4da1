"""What a failure of Spark means, in one line. Pure: it looks at texts only."""

CAUSES = ("kafka", "storage", "other")
