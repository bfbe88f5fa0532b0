"""The rules of the fields, for whatever anybody may type."""

from __future__ import annotations

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.accounts import fields
from chalicelib.accounts.countries import COUNTRIES
from chalicelib.accounts.rules import HOME, own_path, window

DIGIT_LISTS = st.lists(st.integers(0, 9), min_size=12, max_size=18)
GAPS = st.sampled_from(["", " ", "-", "\u00a0", "\u2011"])
LETTERS = st.text("abc XYZ,;/", max_size=10)


def luhn_valid(digits: list[int]) -> list[int]:
    """The digits and the one that completes them."""
    return next([*digits, last] for last in range(10) if fields.passes_luhn([*digits, last]))


class TestCardNumbers:
    @pytest.mark.promise("PS-19")
    @given(DIGIT_LISTS, st.data(), LETTERS, LETTERS)
    def test_any_card_number_is_found_in_any_text_and_with_any_gaps(
        self, digits: list[int], data: st.DataObject, before: str, after: str
    ) -> None:
        written = "".join(f"{digit}{data.draw(GAPS)}" for digit in luhn_valid(digits))
        assert fields.holds_card_number(before + written + after)

    @given(st.integers(0, 10**12 - 1))
    def test_up_to_twelve_digits_never_are_one(self, number: int) -> None:
        assert not fields.holds_card_number(f"order {number}, floor x")

    @given(DIGIT_LISTS.filter(lambda digits: len(digits) == 12), st.integers(0, 9))
    def test_thirteen_digits_are_one_only_if_their_check_digit_fits(
        self, digits: list[int], last: int
    ) -> None:
        run = "".join(map(str, [*digits, last]))
        assert fields.holds_card_number(run) == fields.passes_luhn([*digits, last])

    def test_digits_of_other_scripts_count(self) -> None:
        assert fields.holds_card_number("\uff14\uff12" * 8)

    @pytest.mark.parametrize("number", ["+49 1512 3456789", "+353 71 555 0100"])
    def test_a_phone_number_with_its_country_is_none(self, number: str) -> None:
        assert not fields.holds_card_number(number)

    def test_a_plus_does_not_hide_a_long_one(self) -> None:
        assert fields.holds_card_number("+4242424242424242")


class TestEmail:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("mora@kilbride.example", "mora@kilbride.example"),
            (" Mora.K+a@Kilbride.EXAMPLE ", "Mora.K+a@kilbride.example"),
            ("a@bücher.example", "a@xn--bcher-kva.example"),
        ],
    )
    def test_the_domain_is_kept_in_one_spelling(self, typed: str, kept: str) -> None:
        assert fields.normal_email(typed) == kept

    @pytest.mark.parametrize(
        "typed",
        [
            "", "@", "a", "a@", "@b.example", "a@b", "a@b..example", "a..b@c.example",
            "a@b.example.", ".a@b.example", "a@-b.example", "a b@c.example", "a@b@c.example",
            "a@127.0.0.1", "a@b.example\nBcc: c@d.example", "ä@b.example", f"{'a' * 65}@b.example",
            f"a@{'b' * 64}.example", f"a@{'b.' * 130}example", "<a@b.example>", "a,b@c.example",
        ],
    )  # fmt: skip
    def test_what_is_no_address_is_refused(self, typed: str) -> None:
        with pytest.raises(ValueError, match="not an email address"):
            fields.normal_email(typed)

    @given(st.text(max_size=300))
    def test_whatever_is_typed_it_is_an_address_or_a_value_error(self, typed: str) -> None:
        try:
            kept = fields.normal_email(typed)
        except ValueError:
            return
        assert kept.isascii()
        assert fields.normal_email(kept) == kept
        assert fields.email_identity(kept.upper()) == fields.email_identity(kept)


class TestLogin:
    @pytest.mark.parametrize("name", ["abc", "Mora.Kilbride", "a-1", "x_y.z-0"])
    def test_plain_names_do(self, name: str) -> None:
        assert fields.check_login(name) == name

    @pytest.mark.parametrize(
        "name", ["ab", "a@b", "-ab", "ab.", "a b c", "m\u00f8ra", "\uff41\uff42\uff43", "a\nb"]
    )
    def test_other_names_do_not(self, name: str) -> None:
        with pytest.raises(ValueError, match="Use "):
            fields.check_login(name)


class TestPasswords:
    ABOUT = ("mora.kilbride", "mora@kilbride.example", "Kilbride Drawings")

    @pytest.mark.parametrize(
        "password",
        ["lemon wheel under rain", "Tr0ub4dor&3xyz", "ein kleines boot im hafen", "çéàùôîâêûëïœ"],
    )
    def test_words_that_do_not_belong_together_do(self, password: str) -> None:
        assert fields.check_password(password, self.ABOUT) == password

    @pytest.mark.parametrize(
        "password",
        [
            "short", "x" * 129, "aaaaaaaaaaaa", "abababababab", "123456789012", "qwertyuiopas",
            "zyxwvutsrqpon", "Password1234", "PASSWORD-2026", "passwordpassword", "basketball99",
            "mora.kilbride", "MoraKilbride1", "kilbridedrawings2026", "            ",
        ],
    )  # fmt: skip
    def test_what_is_guessed_first_does_not(self, password: str) -> None:
        with pytest.raises(ValueError, match=r"Use|Mix"):
            fields.check_password(password, self.ABOUT)

    @given(st.text(max_size=200), st.text(max_size=40))
    def test_whatever_is_typed_it_is_kept_as_it_is_or_a_value_error(
        self, password: str, about: str
    ) -> None:
        with suppress(ValueError):
            assert fields.check_password(password, [about]) == password
            assert len(password) in range(fields.PASSWORD_MIN, fields.PASSWORD_MAX + 1)


class TestOwnPath:
    @given(st.text(max_size=80))
    def test_it_never_leaves_the_site(self, text: str) -> None:
        path = own_path(text)
        assert path == HOME or path.startswith("/")
        assert not path.startswith(("//", "/\\"))
        assert path.isprintable()
        assert path.isascii()  # a Location header holds nothing else

    @pytest.mark.parametrize("text", ["/", "/apps", "/device?user_code=AB-CD#x", "/a/b.c?d=e&f"])
    def test_own_pages_stay(self, text: str) -> None:
        assert own_path(text) == text

    @pytest.mark.parametrize(
        "text",
        [
            "//a.example",
            "////a.example",
            "/\\a.example",
            "\\\\a",
            "http:/a",
            "javascript:x",
            "/\t/a",
            "a",
            "//[",
            "/\u4e2d",
        ],
    )
    def test_other_places_do_not(self, text: str) -> None:
        assert own_path(text) == HOME


@given(st.integers(0, 2**45), st.integers(1, 10**8))
def test_a_window_holds_its_instant_and_ends_within_its_length(now: int, length: int) -> None:
    number, left = window(now, length)
    assert number * length <= now < (number + 1) * length == now + left


def test_countries_are_the_249_of_iso_3166() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)


def test_countries_stand_where_a_reader_looks_for_them() -> None:
    def read(name: str) -> str:
        letters = unicodedata.normalize("NFKD", name).casefold()
        return "".join(each for each in letters if each.isalpha() or each == " ")

    assert list(COUNTRIES.values()) == sorted(COUNTRIES.values(), key=read)


class TestPhone:
    @pytest.mark.parametrize(
        "number", ["", "+49 30 123456", "+1 (212) 555-0100", "+353.71.5550100"]
    )
    def test_begins_with_plus_and_the_country_code(self, number: str) -> None:
        assert fields.check_phone(number) == number

    @pytest.mark.parametrize(
        "number", ["020-77", "020-77 12345", "0049 30 123456", "+0 123456", "+49"]
    )
    def test_anything_else_is_refused_and_says_how(self, number: str) -> None:
        with pytest.raises(ValueError, match=r"with \+ and its country code"):
            fields.check_phone(number)
