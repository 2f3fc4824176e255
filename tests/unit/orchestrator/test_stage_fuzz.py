from hostile_records import BROKERS
from stage_fuzz import fuzz


async def test_no_record_jams_a_stage_and_each_has_one_outcome_with_its_bytes() -> None:
    tally = await fuzz(count=25 * 2 * len(BROKERS), seed=20_261)
    assert not tally.failed, "\n".join(tally.faults[:5])
    assert tally.refusals  # of a broker with limits: some outcome was not taken as it was
    assert {"COPIED", "ROUTED", "TOO_LARGE", "HEADER_INVALID"} <= set(tally.outcomes)
