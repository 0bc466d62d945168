"""Times in the protocol's two spellings, and none of the others a date parser takes."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.protocol.instant import Instant
from tests.protocol.refusals import refused

moments = st.datetimes(timezones=st.just(UTC))

NO_TIMES = [
    pytest.param("", id="empty"),
    pytest.param("2018-11-30", id="date-only"),
    pytest.param("2018-11-30T18:58:59", id="no-zone"),
    pytest.param("2018-11-30T18:58:59z", id="small-z"),
    pytest.param("2018-11-30t18:58:59Z", id="small-t"),
    pytest.param("2018-11-30 18:58:59Z", id="space"),
    pytest.param("2018-11-30T18:58:59+00:00", id="offset"),
    pytest.param("2018-11-30T18:58Z", id="no-seconds"),
    pytest.param("2018-11-30T18:58:59Z\n", id="trailing-newline"),
    pytest.param(" 2018-11-30T18:58:59Z", id="leading-space"),
    pytest.param("2018-11-30T18:58:59.1Z", id="one-digit-fraction"),
    pytest.param("2018-11-30T18:58:59.123Z", id="millis"),
    pytest.param("2018-11-30T18:58:59,123456Z", id="comma-fraction"),
    pytest.param("2018-11-30T18:58:59.1234567Z", id="seven-digits"),
    pytest.param("20181130T185859Z", id="basic-form"),
    pytest.param("2018-W48-5T18:58:59Z", id="week-date"),
    pytest.param("2018-334T18:58:59Z", id="ordinal-date"),
    pytest.param("02018-11-30T18:58:59Z", id="five-digit-year"),
    pytest.param("2018-1-30T18:58:59Z", id="short-month"),
    pytest.param("٢٠١٨-11-30T18:58:59Z", id="arabic-digits"),
    pytest.param("２０１８-11-30T18:58:59Z", id="fullwidth-digits"),
    pytest.param("0000-11-30T18:58:59Z", id="year-0"),
    pytest.param("2018-00-30T18:58:59Z", id="month-0"),
    pytest.param("2018-13-30T18:58:59Z", id="month-13"),
    pytest.param("2018-11-00T18:58:59Z", id="day-0"),
    pytest.param("2018-11-31T18:58:59Z", id="november-31"),
    pytest.param("2019-02-29T18:58:59Z", id="february-29-of-2019"),
    pytest.param("1900-02-29T18:58:59Z", id="february-29-of-1900"),
    pytest.param("2018-11-30T24:00:00Z", id="hour-24"),
    pytest.param("2018-11-30T25:58:59Z", id="hour-25"),
    pytest.param("2018-11-30T18:60:59Z", id="minute-60"),
    pytest.param("2016-12-31T23:59:60Z", id="leap-second"),
    pytest.param("-018-11-30T18:58:59Z", id="minus"),
    pytest.param(None, id="null"),
    pytest.param(1543604339, id="number"),
    pytest.param(True, id="true"),
    pytest.param(["2018-11-30T18:58:59Z"], id="list"),
    pytest.param(b"2018-11-30T18:58:59Z", id="bytes"),
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_refused(text: Any) -> None:
    with refused("instant.form"):
        Instant.parse_seconds(text)
    with refused("instant.form"):
        Instant.parse_micros(text)
    if isinstance(text, str) and text.endswith("Z") and len(text) == 20:
        with refused("instant.form"):
            Instant.parse_micros(text[:-1] + ".000000Z")


def test_each_spelling_has_its_own_parser() -> None:
    with refused("instant.form"):
        Instant.parse_seconds("2018-11-30T18:58:59.000000Z")
    with refused("instant.form"):
        Instant.parse_micros("2018-11-30T18:58:59Z")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2018-11-30T18:58:59Z", id="seed"),
        pytest.param("1989-10-26T00:00:00Z", id="before-arxiv"),
        pytest.param("1970-01-01T00:00:00Z", id="epoch"),
        pytest.param("1969-12-31T23:59:59Z", id="before-the-epoch"),
        pytest.param("0001-01-01T00:00:00Z", id="first"),
        pytest.param("9999-12-31T23:59:59Z", id="last"),
        pytest.param("2020-02-29T12:00:00Z", id="leap-day"),
        pytest.param("2000-02-29T12:00:00Z", id="leap-day-of-2000"),
    ],
)
def test_read_and_printed_again(text: str) -> None:
    micros = text[:-1] + ".000001Z"

    assert Instant.parse_seconds(text).seconds == text
    assert Instant.parse_seconds(text).micro_text == text[:-1] + ".000000Z"
    assert Instant.parse_micros(micros).micro_text == micros


@given(moments)
def test_a_moment_survives_both_ways(moment: datetime) -> None:
    instant = Instant.of(moment)

    assert instant.moment == moment
    assert Instant.parse_micros(instant.micro_text) == instant
    assert Instant.parse_seconds(instant.seconds) == instant.whole


@given(moments, moments)
def test_order_is_the_order_of_time_and_of_the_text(one: datetime, other: datetime) -> None:
    a, b = Instant.of(one), Instant.of(other)

    assert (a < b) == (one < other) == (a.micro_text < b.micro_text)


def test_seconds_are_cut_not_rounded() -> None:
    late = Instant.parse_micros("2026-05-17T23:59:28.999999Z")
    early = Instant.parse_micros("1969-12-31T23:59:58.999999Z")

    assert late.seconds == "2026-05-17T23:59:28Z"
    assert late.whole == Instant.parse_seconds("2026-05-17T23:59:28Z")
    assert early.seconds == "1969-12-31T23:59:58Z"
    assert early.whole == Instant.parse_seconds("1969-12-31T23:59:58Z")


def test_other_zones_are_turned_into_utc() -> None:
    moment = datetime(2018, 11, 30, 20, 58, 59, tzinfo=timezone(timedelta(hours=2)))

    assert Instant.of(moment).seconds == "2018-11-30T18:58:59Z"


def test_plus() -> None:
    start = Instant.parse_seconds("2020-02-28T23:59:59Z")

    assert start.plus(seconds=1).seconds == "2020-02-29T00:00:00Z"
    assert start.plus(days=2).seconds == "2020-03-01T23:59:59Z"
    assert start.plus(days=-1, seconds=-1).seconds == "2020-02-27T23:59:58Z"
