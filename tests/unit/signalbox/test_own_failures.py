"""A message is told from a moment by what others meet meanwhile."""

import random

from signalbox.process.own_failures import OwnFailures


def test_a_message_that_fails_while_others_succeed_is_told_after_eight_tries() -> None:
    failures = OwnFailures()
    tries = 0
    while not failures.failed("bad"):
        tries += 1
        for number in range(3):
            failures.succeeded(f"good-{tries}-{number}")
    assert tries == 7


def test_an_outage_that_all_meet_counts_once_however_long_it_lasts() -> None:
    failures = OwnFailures()
    for _ in range(1000):
        assert not any(failures.failed(f"m-{number}") for number in range(5))


def test_bursts_between_which_others_succeed_cost_no_message() -> None:
    """Each burst is met by all, and each message succeeds after it."""
    failures = OwnFailures()
    for burst in range(200):
        waiting = [f"{burst}-{number}" for number in range(20)]
        for _ in range(6):
            assert not any(failures.failed(message) for message in waiting)
        for message in waiting:
            failures.succeeded(message)


def test_a_server_that_fails_most_requests_at_random_costs_hardly_a_message() -> None:
    """Three of five requests fail, for as long as a thousand messages take."""
    chance, failures, lost = random.Random(1), OwnFailures(), 0
    waiting = [f"m-{number}" for number in range(20)]
    for number in range(20, 1020):
        for message in list(waiting):
            if chance.random() > 0.6:
                failures.succeeded(message)
                waiting.remove(message)
            elif failures.failed(message):
                lost += 1
                waiting.remove(message)
        waiting.append(f"m-{number}")
    assert lost <= 5


def test_sixty_bad_messages_are_told_apart_from_the_good_ones_among_them() -> None:
    failures, bad, rounds = OwnFailures(), {f"bad-{number}" for number in range(60)}, 0
    while bad:
        rounds += 1
        assert rounds < 60
        bad -= {message for message in bad if failures.failed(message)}
        for number in range(5):
            failures.succeeded(f"good-{rounds}-{number}")


def test_a_success_of_the_message_itself_begins_the_count_again() -> None:
    failures = OwnFailures()
    for _ in range(20):
        for tries in range(6):
            assert not failures.failed("m")
            failures.succeeded(f"other-{tries}")
        failures.succeeded("m")


def test_other_questions_of_the_same_message_are_no_others() -> None:
    failures = OwnFailures()
    for _ in range(100):
        assert not failures.failed("m", "draft")
        failures.succeeded("m", "score")


def test_one_success_of_one_other_is_not_enough() -> None:
    failures = OwnFailures(others=3)
    for _ in range(100):
        assert not failures.failed("m")
        failures.succeeded("the same")
