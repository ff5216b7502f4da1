"""What all Clickstream apps share: records, settings, health, logs, shutdown.

The core imports no app and no Kafka client. Apps import the core, and never one another. The version below is the
version of every package of this repository: their build configuration reads it from here.
"""

__version__ = "0.1.0"
