"""The contracts' tooling: catalog, sources, generation, lint, compatibility and registration."""
