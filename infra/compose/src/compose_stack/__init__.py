"""``STACK=compose``: the whole system in containers; see infra/compose/README.md."""

from compose_stack import images
from compose_stack.stack import ComposeStack

__all__ = ["ComposeStack", "images"]
