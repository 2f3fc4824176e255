"""The stack as the fault tests start it: with settings for one service alone, and brokers behind proxies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fault import SecondListener, World
from kafka_stack import broker
from kafka_stack.artifacts import Artifacts
from kafka_stack.foundation import cluster_of
from kafka_stack.java import find_java
from local_stack import Stack
from local_stack.foundation import Launch
from local_stack.progress import Progress
from local_stack.running import Running
from local_stack.services import BROKER, ORCHESTRATOR, Service

_PROXIED: Final = "PROXIED"


class FaultStack(Stack):
    """Starts each process with what the world says of its kind, also when it is started again."""

    def __init__(self, root: Path, world: World, progress: Progress) -> None:
        super().__init__(
            root,
            world.run_dir / "stack",
            ports="free",
            extra_env=world.env,
            kind="kafka",
            instances={BROKER: world.brokers, ORCHESTRATOR: world.orchestrators},
            progress=progress,
        )
        self._running = _FaultRunning(self.root, self.run_dir, progress, world)


class _FaultRunning(Running):
    """The one place through which every process of a stack is started."""

    def __init__(self, root: Path, run_dir: Path, progress: Progress, world: World) -> None:
        super().__init__(root, run_dir, progress)
        self._checkout = root
        self._world = world

    def start(
        self, service: Service, how: Launch, environment: Mapping[str, str], settings: Mapping[str, str]
    ) -> None:
        own = {**settings, **self._world.env_of.get(service.kind, {})}
        super().start(service, self._proxied(service, own) or how, environment, own)

    def _proxied(self, service: Service, settings: Mapping[str, str]) -> Launch | None:
        second = self._world.second_listeners.get(service.name)
        if service.kind != BROKER or second is None:
            return None
        data, cluster = Path(settings["DATA_DIR"]) / service.name, cluster_of(settings)
        node = cluster[service.number - 1]
        more = also_listening(broker.server_properties(data / "log", node, cluster), second)
        return broker.launch(find_java(), Artifacts(self._checkout), data, node, cluster, more)


def also_listening(properties: Mapping[str, str | int], second: SecondListener) -> dict[str, str | int]:
    """Return the server properties that add a listener, whose clients are told another address."""
    return {
        "listeners": f"{properties['listeners']},{_PROXIED}://127.0.0.1:{second.port}",
        "advertised.listeners": f"{properties['advertised.listeners']},{_PROXIED}://{second.advertised}",
        "listener.security.protocol.map": (
            f"{properties['listener.security.protocol.map']},{_PROXIED}:PLAINTEXT"
        ),
    }
