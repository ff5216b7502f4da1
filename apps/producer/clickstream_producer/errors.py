"""The producer's own errors. Each message says what was wrong, with which value, and what to do."""


class DeliveryError(Exception):
    """Kafka answers, but it will not take the events, however often they are sent."""
