"""Who may speak for whom: keys, signed announcements, grants, and tokens for one request each.

No module here knows Kafka or a web framework; what they are given are records and the parts of a request.
"""

from signalbox.trust.announcements import SIGNATURE, Fault, Untrusted, agent_of, sealed
from signalbox.trust.grants import Grant
from signalbox.trust.keys import PublicKey, SigningKey, public_keys
from signalbox.trust.registrations import SKEW_MS, Registrations
from signalbox.trust.requests import NO_TOKEN, OPERATOR, ORCHESTRATOR, Doorkeeper, RequestParts, token_for
from signalbox.trust.settings import TrustSettings
from signalbox.trust.signing import RequestSigner
from signalbox.trust.trusted import TrustedKeys

__all__ = [
    "NO_TOKEN",
    "OPERATOR",
    "ORCHESTRATOR",
    "SIGNATURE",
    "SKEW_MS",
    "Doorkeeper",
    "Fault",
    "Grant",
    "PublicKey",
    "Registrations",
    "RequestParts",
    "RequestSigner",
    "SigningKey",
    "TrustSettings",
    "TrustedKeys",
    "Untrusted",
    "agent_of",
    "public_keys",
    "sealed",
    "token_for",
]
