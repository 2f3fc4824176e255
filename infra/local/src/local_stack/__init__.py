"""The local stack: broker, registry, orchestrator and services as background processes of this machine."""

from local_stack.running import StackError
from local_stack.stack import Stack

__all__ = ["Stack", "StackError"]
