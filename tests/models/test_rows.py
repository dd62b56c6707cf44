import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from models.rows import normalised

SPACES = st.sampled_from(
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
)


@given(st.text(st.one_of(st.characters(), SPACES), max_size=40))
def test_the_form_in_which_texts_are_compared_has_single_spaces_and_no_case(text: str) -> None:
    folded = unicodedata.normalize("NFKC", text).casefold()
    assert normalised(text) == re.sub(r"\s+", " ", folded).strip()
