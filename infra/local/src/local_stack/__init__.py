"""The local stack: broker, registry, orchestrator and services as background processes of this machine."""

from local_stack.stack import Stack, StackError

__all__ = ["Stack", "StackError"]
