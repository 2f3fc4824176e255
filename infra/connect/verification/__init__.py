"""Kafka Connect for real: rows of a PostgreSQL and documents of a MongoDB-protocol server become leads."""
