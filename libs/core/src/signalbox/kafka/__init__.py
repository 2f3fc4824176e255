"""The Kafka protocol: with `signalbox.registry`, the only place that knows ``confluent_kafka``'s clients."""

from signalbox.kafka.consumer import GroupConsumer, Partition
from signalbox.kafka.producer import Producer
from signalbox.kafka.reader import Reader, read_at, read_to_end
from signalbox.kafka.replicas import await_in_sync
from signalbox.kafka.settings import MAX_MESSAGE_BYTES, KafkaSettings
from signalbox.kafka.topics import TopicChange, TopicSpec, apply, compare, topics_of
from signalbox.kafka.transactions import TransactionalProducer, TransactionLost

__all__ = [
    "MAX_MESSAGE_BYTES",
    "GroupConsumer",
    "KafkaSettings",
    "Partition",
    "Producer",
    "Reader",
    "TopicChange",
    "TopicSpec",
    "TransactionLost",
    "TransactionalProducer",
    "apply",
    "await_in_sync",
    "compare",
    "read_at",
    "read_to_end",
    "topics_of",
]
