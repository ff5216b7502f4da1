"""The errors of the connection to Kafka. Each message says what Kafka refused or why it does not answer."""


class KafkaAway(Exception):
    """Kafka does not answer; trying again later may help."""


class KafkaRefused(Exception):
    """Kafka answers and refuses; somebody has to change a password or an ACL first."""
