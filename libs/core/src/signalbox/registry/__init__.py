"""The Schema Registry: the port that the gate asks, and the one client behind it."""
