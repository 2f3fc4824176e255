"""The decision, without Kafka: a message in, what becomes of it out, and the records that say so."""
