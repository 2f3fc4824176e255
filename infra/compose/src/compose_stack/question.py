"""``signalbox can-i-deploy``, for its answer and for the contract versions that go onto an image."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from signalbox.protocol.errors import SignalboxError

_SIGNALBOX: Final = str(Path(sys.executable).with_name("signalbox"))
_DEADLINE_S: Final = 120
_NO: Final = "no"
_YES: Final = "yes"


class NotDeployable(SignalboxError):
    """A service does not fit what is registered or running; the text says why, and what helps."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A yes, or a ``warning`` that it could not be found out; ``contracts`` is JSON, ``{}`` if not known."""

    warning: str = ""
    contracts: str = "{}"


def may_be_deployed(service: str, root: Path, environment: Mapping[str, str]) -> Verdict:
    """Ask whether ``service`` fits what is registered and running.

    Only a plain no forbids: a service may be restarted while registry or broker are away, and waits for them.

    Raises:
        NotDeployable: it does not fit.
    """
    try:
        done = subprocess.run(
            [_SIGNALBOX, "can-i-deploy", service, "--json"],
            cwd=root,
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE_S,
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return Verdict(warning=f"could not find out whether {service} may be deployed")
    contracts = json.dumps({side: answer[side] for side in ("reads", "writes")}, separators=(",", ":"))
    if answer["answer"] == _NO:
        raise NotDeployable(f"{service} may not be deployed:\n{_told(answer['objections'])}")
    unknown = "; ".join(answer["unknown"])
    return Verdict(unknown if answer["answer"] != _YES else "", contracts)


def _told(objections: list[dict[str, str]]) -> str:
    return "\n".join(f"  {one['record_type']}: {one['reason']}\n      {one['advice']}" for one in objections)
