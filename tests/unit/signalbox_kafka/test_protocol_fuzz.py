from protocol_fuzz import fuzz


async def test_a_hundred_spoilt_answers_of_registry_and_model_give_no_wrong_verdict() -> None:
    tally = await fuzz(100, seed=20_261_129)
    assert tally.wrong == []
    assert tally.waited
    assert tally.taken
