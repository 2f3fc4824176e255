from joined_orchestrator import joined, routing, settings  # noqa: F401
