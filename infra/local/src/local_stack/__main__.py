"""``python -m local_stack``."""

from local_stack.command import main

main()
