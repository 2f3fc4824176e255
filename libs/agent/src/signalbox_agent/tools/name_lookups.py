"""Names looked up in threads of their own: a name server that does not answer holds up no one else.

``getaddrinfo`` can't be given up; it may hang for half a minute. So the caller is freed by a deadline, the
thread ends when it ends, and no more than so many may hang at once: the next is told so at once. The
threads are daemons, so a hanging look-up does not hold up the end of the process either.
"""

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

DEADLINE_S: Final = 3.0
_MOST: Final = 32
_MOST_A_DOMAIN: Final = 8
"""Whoever controls one domain's name server may not take all of the threads."""


class NameLookups:
    """Looks names up; at most ``most`` at once, and ``most_a_domain`` under one domain."""

    def __init__(
        self, most: int = _MOST, most_a_domain: int = _MOST_A_DOMAIN, deadline_s: float = DEADLINE_S
    ) -> None:
        self._most = most
        self._most_a_domain = most_a_domain
        self._deadline_s = deadline_s
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    async def addresses(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        """Return the addresses of ``host``.

        Raises:
            OSError: there is none, no answer came in time (TimeoutError), or too many look-ups hang.
            ValueError: the name can't be asked for.
        """
        domain = ".".join(host.rsplit(".", 2)[-2:])
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()
        self._take(domain)
        try:
            threading.Thread(
                target=self._look_up, args=(loop, answer, host, port, domain), name="name-lookup", daemon=True
            ).start()
        except RuntimeError as error:  # the process can't have another thread
            self._give_back(domain)
            raise OSError(f"no look-up can be started: {error}") from error
        async with asyncio.timeout(self._deadline_s):
            found = await answer
        return [ip_address(address) for address in found]

    def _take(self, domain: str) -> None:
        with self._lock:
            if self._running.total() >= self._most or self._running[domain] >= self._most_a_domain:
                raise OSError("too many names are being looked up just now")
            self._running[domain] += 1

    def _give_back(self, domain: str) -> None:
        with self._lock:
            self._running[domain] -= 1
            self._running += Counter()  # forgets domains with none

    def _look_up(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: "asyncio.Future[list[str]]",
        host: str,
        port: int,
        domain: str,
    ) -> None:
        found: list[str] | Exception
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = [str(entry[4][0]) for entry in entries]
        except Exception as error:  # noqa: BLE001 - handed to the caller
            found = error
        finally:
            self._give_back(domain)
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever asked
            loop.call_soon_threadsafe(_settle, answer, found)


def _settle(answer: "asyncio.Future[list[str]]", found: list[str] | Exception) -> None:
    if answer.done():  # the deadline was first
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)


NAMES: Final = NameLookups()
"""The look-ups of this process."""
