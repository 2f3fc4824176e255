"""How much one message may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What keeps a message below 50 ms and 64 MiB; each bound may be reached, none exceeded.

    ``max_bytes`` counts value, header names and header values together; ``max_items`` array and map items
    (and, by themselves, headers); ``max_values`` every decoded value, weighed by what decoding it costs
    (:func:`signalbox.avro.types.weight`), since a few bytes of one item may stand for any number of fields;
    ``max_depth`` nested records, arrays and maps of a schema.
    """

    max_bytes: int = 256 * 1024
    max_items: int = 10_000
    max_values: int = 51_200
    max_depth: int = 32
