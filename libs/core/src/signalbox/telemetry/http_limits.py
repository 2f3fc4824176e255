"""What one HTTP client may ask of a process, in time and in connections."""

import resource
from typing import Final

from pydantic import Field

from signalbox.process.settings import Settings

_SHARE_OF_FILES: Final = 0.75
"""Of the files that a process may have open: the rest is for its stores, its broker and its logs."""


class HttpLimits(Settings):
    """Limits of every process's HTTP server; times are in seconds, each from the environment.

    ``http_headers_s``: from the first moment of a connection, or the first byte of another request on it,
    until the request's headers are complete. ``http_body_s``: until the body is complete; besides, after
    ``http_body_grace_s`` it must have come with ``http_body_bytes_per_s`` on average. ``http_keep_alive_s``:
    how long a connection stays open between requests. ``http_unread_s``: how long a client may take none of
    an answer. ``http_connections`` in all, ``http_connections_per_peer`` of one address other than loopback:
    beyond them the oldest that waits for its client makes room.
    """

    http_headers_s: float = Field(default=10.0, gt=0)
    http_body_s: float = Field(default=120.0, gt=0)
    http_body_grace_s: float = Field(default=10.0, gt=0)
    http_body_bytes_per_s: float = Field(default=1024.0, gt=0)
    http_keep_alive_s: int = Field(default=5, ge=1)
    http_unread_s: float = Field(default=30.0, gt=0)
    http_connections: int = Field(default=1000, ge=1)
    http_connections_per_peer: int = Field(default=250, ge=1)

    def connections(self) -> int:
        """Return how many connections there may be in all, with the process's open files in mind."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files == resource.RLIM_INFINITY:
            return self.http_connections
        return max(1, min(self.http_connections, int(files * _SHARE_OF_FILES)))
