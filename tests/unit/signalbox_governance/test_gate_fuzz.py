from gate_fuzz import fuzz


async def test_twenty_thousand_mutated_messages_get_a_verdict_and_nothing_else() -> None:
    tally = await fuzz(20_000, seed=20_261_122)
    assert (tally.crashes, tally.hangs, tally.unequal, tally.unseen) == ([], [], [], [])
