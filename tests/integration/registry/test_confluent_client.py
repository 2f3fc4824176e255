"""Confluent's own client works against it."""

import json

import pytest
from confluent_kafka.schema_registry import AsyncSchemaRegistryClient, Schema, ServerConfig
from confluent_kafka.schema_registry.common.schema_registry_client import ConfigCompatibilityLevel
from confluent_kafka.schema_registry.error import SchemaRegistryError


async def test_confluents_client_registers_reads_checks_and_configures(registry_url, subject, record):
    old = Schema(json.dumps(record(a="int")), "AVRO")
    new = Schema(json.dumps(record({"name": "b", "type": "int", "default": 0}, a="int")), "AVRO")
    broken = Schema(json.dumps(record(a="string")), "AVRO")
    client = AsyncSchemaRegistryClient({"url": registry_url, "timeout": 10})
    try:
        first = await client.register_schema(subject, old)
        await client.set_config(subject, ServerConfig(ConfigCompatibilityLevel.FULL_TRANSITIVE))
        config = await client.get_config(subject)
        assert config.compatibility_level is ConfigCompatibilityLevel.FULL_TRANSITIVE

        assert await client.test_compatibility(subject, new)
        assert not await client.test_compatibility(subject, broken)
        with pytest.raises(SchemaRegistryError) as refused:
            await client.register_schema(subject, broken)
        assert refused.value.http_status_code == 409

        second = await client.register_schema(subject, new)
        latest = await client.get_latest_version(subject)
        assert (latest.subject, latest.version, latest.schema_id) == (subject, 2, second)
        found = await client.lookup_schema(subject, old)
        assert (found.version, found.schema_id) == (1, first)

        fresh = AsyncSchemaRegistryClient({"url": registry_url, "timeout": 10})
        read = await fresh.get_schema(first)
        assert json.loads(read.schema_str) == record(a="int")
        assert subject in await fresh.get_subjects()
        assert await fresh.get_versions(subject) == [1, 2]
        assert "AVRO" in await fresh.get_schema_types()

        assert await fresh.delete_version(subject, 2) == 2
        assert await fresh.get_schema_versions(second) == []
        [usage] = await fresh.get_schema_versions(second, deleted=True)
        assert (usage.subject, usage.version) == (subject, 2)
        with pytest.raises(SchemaRegistryError) as unknown:
            await fresh.get_schema(999_999_999)
        assert (unknown.value.http_status_code, unknown.value.error_code) == (404, 40403)
        await fresh.aclose()
    finally:
        await client.aclose()
