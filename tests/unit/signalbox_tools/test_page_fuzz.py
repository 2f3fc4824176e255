from page_fuzz import fuzz


def test_a_thousand_mutated_pages_are_read_without_an_error() -> None:
    tally = fuzz(1_000, seed=11)
    assert not tally.failed, (tally.crashes[:3], tally.slow[:3], tally.unfit[:3])
