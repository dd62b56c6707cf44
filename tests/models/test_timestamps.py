"""Whatever unit a log counts in, its moments are read as they were."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.timestamps import parse_timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC))


@given(MOMENTS)
def test_a_moment_is_read_from_each_unit_that_logs_count_in(moment: datetime) -> None:
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    in_millis = f"{micros // 1000}.{micros % 1000:03d}"
    for text in (f"{micros}", f"{micros}.0", f"{micros}000", in_millis, f"{moment:%F %T.%f} UTC"):
        assert parse_timestamp(text) == moment, text
    for text in (f"{micros // 1000}", repr(float(micros // 1000))):
        assert parse_timestamp(text) == EPOCH + timedelta(milliseconds=micros // 1000), text
    assert parse_timestamp(f"{micros // 10**6}") == moment.replace(microsecond=0)


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    ("least", "unit"), [(10**11, "milliseconds"), (10**14, "microseconds"), (10**17, "nanoseconds")]
)
def test_a_number_means_the_same_unit_from_a_bound_on_and_the_coarser_one_below_it(
    sign: str, least: int, unit: str
) -> None:
    since = timedelta(days=1157, seconds=35200)
    assert parse_timestamp(f"{sign}{least}") == (EPOCH - since if sign else EPOCH + since), unit
    below = parse_timestamp(f"{sign}{least // 1000 * 999}")
    assert below is None or abs(below - EPOCH) > timedelta(days=365 * 3000), unit
