"""How Clickstream's apps use Kafka."""
