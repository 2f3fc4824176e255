"""What is written down while a run lasts is what the checks read afterwards."""

from pathlib import Path

from fault import Kind
from history import End, History, Sending, Way, digest_of, told_by

SENDING = Sending(4, Way.MALFORMED, End.REJECTED, "lead", topic="t", digest="d", reason="MALFORMED")


def test_what_was_sent_is_read_back_as_it_was(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.sending(SENDING)
    history.sent(4)

    told = told_by(history.path)

    assert told.sendings == (SENDING,)
    assert told.unacknowledged == ()


def test_what_was_begun_and_never_acknowledged_is_told(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.sending(SENDING)

    assert told_by(history.path).unacknowledged == (4,)


def test_each_strike_of_a_fault_is_told_with_what_it_did_and_whether_it_was_healed(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for what in ("first", "second"):
        history.injecting("process-killed", Kind.PROCESS)
        history.injecting(f"smtp-{what}", Kind.SMTP)
        history.injected("process-killed", what)
        history.struck("process-killed", len(what))
        history.healed("process-killed")

    killed = [one for one in told_by(history.path).injections if one.name == "process-killed"]
    smtp = [one for one in told_by(history.path).injections if one.kind is Kind.SMTP]

    assert [one.what for one in killed] == ["first", "second"]
    assert [one.harm for one in killed] == [5, 6]
    assert all(one.healed_at is not None for one in killed)
    assert [one.healed_at for one in smtp] == [None, None]


def test_a_digest_tells_null_from_empty_and_one_split_of_the_bytes_from_another() -> None:
    digests = [
        digest_of(None, b"v", ()),
        digest_of(b"", b"v", ()),
        digest_of(b"v", b"", ()),
        digest_of(b"k", b"v", (("a", b"bc"),)),
        digest_of(b"k", b"v", (("ab", b"c"),)),
        digest_of(b"k", b"v", (("a", None), ("bc", None))),
        digest_of(b"k", b"v", (("bc", None), ("a", None))),
    ]

    assert len(set(digests)) == len(digests)
