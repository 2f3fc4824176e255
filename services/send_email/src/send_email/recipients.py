"""Who a mail goes to, as the caps, the confirmations and the suppressions see it: one key per person."""

from dataclasses import dataclass

from signalbox.addresses import recipient_key


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person by one key, whatever spelling of the address a lead gives."""

    key: str
    domain: str

    @classmethod
    def of(cls, address: str) -> "Recipient":
        """Return who ``address`` reaches.

        Raises:
            ValueError: it is no address; the text is for people.
        """
        key = recipient_key(address)
        return cls(key, key.rpartition("@")[2])

    @classmethod
    def of_stored(cls, address: str) -> "Recipient":
        """Return who a stored address reaches; one that was taken by older rules is its own key."""
        try:
            return cls.of(address)
        except ValueError:
            folded = address.casefold()
            return cls(folded, folded.rpartition("@")[2])

    @property
    def patterns(self) -> tuple[str, ...]:
        """Return what a suppression of this person can be written as: the key, the domain and its parents."""
        labels = self.domain.split(".")
        return (self.key, *("@" + ".".join(labels[start:]) for start in range(len(labels))))


def pattern_of(text: str) -> str:
    """Return the pattern that ``text`` means: an address, or ``@domain`` for it and all below it.

    A domain that is one user's own, as Fastmail has them, is that person.

    Raises:
        ValueError: it is neither.
    """
    if text.startswith("@"):
        one, other = recipient_key(f"a{text}"), recipient_key(f"b{text}")
        return one if one == other else "@" + one.rpartition("@")[2]
    return recipient_key(text)
