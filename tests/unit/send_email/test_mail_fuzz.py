from mail_fuzz import fuzz


def test_fifteen_hundred_hostile_mails_have_one_recipient_and_the_text_that_was_meant() -> None:
    tally = fuzz(1500, seed=20_261_129)
    assert tally.faults == []
    assert not tally.failed
