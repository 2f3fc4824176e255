"""What is known of a stack by its folder, whichever kind it is; another process may have started it."""

from pathlib import Path

from local_stack.running import StackError
from local_stack.state import StackProcess, read_stack


class RecordedStack:
    """Reads what ``up`` wrote down in ``run_dir``."""

    nothing_up = "no stack is up: `make up` starts it"

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir.resolve()

    @property
    def processes(self) -> list[StackProcess]:
        """What was started, in that order.

        Raises:
            ConfigurationError: ``stack.json`` can't be read.
        """
        return read_stack(self.run_dir)

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service is reached from this machine: a URL, and for a broker ``host:port``."""
        return {process.service: process.address for process in self.processes}

    def process(self, name: str) -> StackProcess:
        """Return what is known of one service.

        Raises:
            StackError: no stack is up, or there is no such service in it.
        """
        known = {process.service: process for process in self.processes}
        if not known:
            raise StackError(self.nothing_up)
        if name not in known:
            raise StackError(f"there is no service {name!r}; there are {', '.join(known)}")
        return known[name]
