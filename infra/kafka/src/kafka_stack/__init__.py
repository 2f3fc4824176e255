"""``STACK=kafka`` and ``kafka-secured``: Apache Kafka (KRaft) and Apicurio Registry, without Docker."""

from kafka_stack.foundation import KafkaFoundation
from kafka_stack.secured import SecuredFoundation

__all__ = ["KafkaFoundation", "SecuredFoundation"]
