"""``STACK=kafka``: Apache Kafka (KRaft) and Apicurio Registry as background processes, without Docker."""

from kafka_stack.foundation import KafkaFoundation

__all__ = ["KafkaFoundation"]
