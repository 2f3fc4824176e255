import logging

from signalbox.telemetry.repeated import Repeated, RepeatedFilter


def test_a_line_is_written_at_once_and_those_like_it_are_counted() -> None:
    now = [0.0]
    repeated = Repeated(every_s=10, clock=lambda: now[0])
    assert [repeated.due("a") for _ in range(3)] == [0, None, None]
    assert repeated.due("b") == 0
    now[0] = 11
    assert repeated.due("a") == 2
    assert repeated.due("b") == 0


def test_kinds_that_never_come_again_take_no_memory() -> None:
    repeated = Repeated()
    for number in range(10_000):
        repeated.due(number)
    assert len(repeated._kinds) <= 200


def test_errors_of_other_places_are_written_and_repeated_ones_are_not() -> None:
    kept = RepeatedFilter()

    def record(fail: object) -> logging.LogRecord:
        try:
            fail()  # type: ignore[operator]
        except ValueError as error:
            info = (type(error), error, error.__traceback__)
            return logging.LogRecord("uvicorn.error", logging.ERROR, "", 1, "failed\n", (), info)
        raise AssertionError

    def one() -> None:
        raise ValueError("1")

    def two() -> None:
        raise ValueError("2")

    assert [kept.filter(record(one)), kept.filter(record(one)), kept.filter(record(two))] == [
        True,
        False,
        True,
    ]
    assert kept.filter(logging.LogRecord("uvicorn.error", logging.INFO, "", 1, "started", (), None))
