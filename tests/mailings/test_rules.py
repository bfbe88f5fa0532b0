"""What a mailing may say: PS-63 and PS-66 for announcements, notices and launch screens."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest

from chalicelib.core.few import shown_count
from chalicelib.core.signing import canonical
from chalicelib.mail.letters import FOLDER
from chalicelib.mail.rules import LAWS, Unapproved
from chalicelib.mail.templates import TEMPLATES
from chalicelib.mailings import texts
from chalicelib.mailings.rules import (
    Content,
    Mailing,
    State,
    TextRefused,
    check,
    flaws,
)
from chalicelib.mailings.texts import FIELDS, KINDS, TEXTS, Channel, Kind

WHAT = "We replace a disk. Save your work before it begins."
GOOD = {
    "day": "2027-03-31", "begins": "06:30", "ends": "07:15", "what": WHAT,
    "act": "You need not do anything.", "page": "/status", "headline": "Two weeks at half price",
    "body": "Every plan costs 50% less until Friday.", "partner": "Harbor Charts",
    "web": "https://charts.example/tides",
}  # fmt: skip
QUIET = sorted(kind for kind in Kind if kind not in {Kind.OFFER, Kind.PARTNER})


def content(kind: Kind, text: str = "", **changed: str) -> Content:
    name = text or next(name for name, each in TEXTS.items() if kind in each.kinds)
    fields = {field: GOOD[field] for field in TEXTS[name].fields} | changed
    about = ("app_1", "Halyard") if KINDS[kind].of_application else ("", "")
    return Content(kind, name, fields, *about)


def mailing(what: Content, approved: str | None) -> Mailing:
    return Mailing("mlg_1", what, "stf_1", State.SUBMITTED, 1, what.sha256, approved)


class TestTexts:
    @pytest.mark.parametrize(
        ("text", "kind"),
        [(name, kind) for name, text in TEXTS.items() for kind in sorted(text.kinds)],
    )
    def test_each_can_be_filled_in(self, text: str, kind: Kind) -> None:
        made = check(content(kind, text))
        assert made.title
        assert made.paragraphs
        assert "{" not in made.title.join(made.paragraphs)

    def test_what_an_author_sets_apart_stays_apart(self) -> None:
        told = content(Kind.OFFER, body="One  thing.\n\nAnother\nthing. \n \n").paragraphs
        assert told == ["One thing.", "Another", "thing."]

    def test_our_own_words_promote_nothing(self) -> None:
        from chalicelib.mailings.wording import promotion_flaw

        for name, text in TEXTS.items():
            if not text.kinds & {Kind.OFFER, Kind.PARTNER}:
                for line in (text.title, *text.paragraphs):
                    bare = line.replace("{", "").replace("}", "")
                    assert promotion_flaw(bare) == "", name

    def test_every_kind_has_a_text_and_every_field_is_declared(self) -> None:
        assert {kind for text in TEXTS.values() for kind in text.kinds} == set(Kind)
        assert {field for text in TEXTS.values() for field in text.fields} == set(FIELDS)

    def test_a_screen_is_the_other_channel_of_the_same_texts(self) -> None:
        for text in TEXTS.values():
            assert (Kind.SCREEN in text.kinds) == (Kind.SERVICE in text.kinds)
        assert KINDS[Kind.SCREEN].channel is Channel.SCREEN
        assert {rule.channel for rule in KINDS.values()} == set(Channel)

    def test_every_kind_of_mail_is_approved_by_its_law_or_optional(self) -> None:
        for rule in KINDS.values():
            if rule.mail_class:
                law = LAWS[rule.mail_class]
                assert law.approved or not law.must_arrive


def wide(text: str) -> str:
    """The same letters as East Asian type has them."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


PROMOTING = [
    "Now with a discount for everybody.",
    "All plans are 20% off.",
    "All plans are 20 percent off.",
    "All plans are 20 per cent off.",
    "It costs $9 now.",
    "It costs 9 EUR now.",
    "It costs 9 dollars now.",
    "It costs " + wide("9") + " euros now.",
    "Take the coupon at the till.",
    "Use SAVE20 when you order.",
    "Buy Halyard today.",
    "A free trial for you.",
    "Special deals for members!",
    "DEALS",
    "d i s c o u n t for all",
    "there is a d i s c o u n t",
    "d.i.s.c.o.u.n.t for all",
    "a disc\u200bount for all",
    "a díscòunt for all",
    "a d1sc0unt for all",
    "a sa1e for all",
    "d/i/s/c/o/u/n/t for all",
    "d, i, s, c, o, u, n, t",
    "d | i | s | c | o | u | n | t",
    "d\u00b7i\u00b7s\u00b7c\u00b7o\u00b7u\u00b7n\u00b7t",
    "Ask for the promocode.",
    "Freebies for everybody",
    "a \u0455ale for all",
    "a " + wide("discount") + " for all",
    "Do not miss this.",
    "Try it now.",
    "Don\u2019t miss this.",
    "Our partners have something for you.",
    "Save up to half.",
    "Half price until Friday.",
    "Half-price until Friday.",
    "Now at half the price.",
    "Half off until Friday.",
    "Two for one this week.",
    "3 for 2 this week.",
    "Complimentary month for all members.",
    "C.o.m.p.l.i.m.e.n.t.a.r.y month",
    "Now at a reduced rate.",
    "A price cut for everybody.",
    "Pay less from Monday.",
    "It costs less from Monday.",
    "Our best value yet",
    "Great value for members.",
    "a month on us",
    "The first week is on us.",
    "At no extra cost.",
    "a sa-le for all",
    "a dis-count for all",
    "a dis\u2010count for all",
    "dis- count for all",
    "f_r-e\u00b7e",
    "8uy Halyard today.",
    "a 6ift for all",
    "a g!ft for all",
    "a discoun7 for all",
    "a \u0261ift for all",
    "a d\u0131scount for all",
    "\u00f8ffers for all",
    "\u0111eals for all",
    "\u0141OWER PRICES",
    "\u00dfuy Halyard today.",
    "a \ua731ale for all",
    "\u1d1c\u1d18\u0262\u0280\u1d00\u1d05\u1d07 now, \ua730\u0280\u1d07\u1d07",
    "fr\u1d07e",
    "f\u20dd\u0338ree",
    "\U0001f155\U0001f161\U0001f154\U0001f154",
    "f\u2800r\u2800e\u2800e",
    "\u00bd price",
    "Use spring25 when you order.",
    "Use Spring25 when you order.",
]
MARKUP = [
    "<b>Maintenance</b>",
    "<img src=x>",
    "Read &lt;this&gt;",
    "Read " + wide("<") + "this" + wide(">"),
    "It is {title}",
]
LINKS = [
    "See https://example.com",
    "See www.example.com",
    "See example.com",
    "See EXAMPLE.COM/offer",
    "Write to kim@example.com",
    "See " + wide("example.com"),
    "ftp://files",
    "See 192.0.2.7 for more",
    "See cetrus-kont\u00f8.no now",
    "https:cetrus-kont\u00f8.no/pw",
    "See evil\u3002com now",
    "See evil\uff61com now",
    "See evil\u2024com now",
    "http:/evil",
    "http:\\\\evil",
    "See //evil/x",
    "\\\\evil\\share",
    "mailto:x",
    "MAILTO\uff1ax",
    "See \u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
    "See \u0909\u0926\u093e.\u092d\u093e",
    "See \u4f8b\u3048.jp",
    "See 4chan-.com",
    "See e.g.evil.com",
    "See 1.com",
]


@pytest.mark.promise("PS-63")
class TestWhatMayNotPromote:
    @pytest.mark.parametrize("kind", QUIET)
    @pytest.mark.parametrize("words", PROMOTING)
    def test_promotion_is_refused(self, kind: Kind, words: str) -> None:
        with pytest.raises(TextRefused) as refused:
            check(content(kind, what=words))
        assert "what" in refused.value.errors

    @pytest.mark.promise("PS-41")
    @pytest.mark.parametrize("kind", sorted(Kind))
    @pytest.mark.parametrize("words", MARKUP + LINKS)
    def test_markup_and_addresses_are_refused_in_all_kinds(self, kind: Kind, words: str) -> None:
        name = "body" if kind in {Kind.OFFER, Kind.PARTNER} else "what"
        assert name in flaws(content(kind, **{name: words}))

    @pytest.mark.parametrize(
        "words",
        [
            WHAT,
            "From 31 March on, sessions end after 2 hours.\nSign in again then.",
            "Version 2.4.1 reads files of TLS and of café owners.",
            "Windows 11 and macOS 14 are supported; Windows 8 is not.",
            "From May on, prices change. Look at the plans for yours.",
            "Half of the servers are off at night, and nothing depends on us alone.",
            "Launches of that hour are not charged. You need not pay for it.",
            "We allow a lower rate limit for two weeks, and one answer for one question.",
            "Set the value to 4: that is the best setting. Save half-finished work.",
            "It begins at 10:30 (UTC+01:00), and ends at 12.30, i.e. at 2 p.m. in Athens.",
            "Files, e.g. of S\u00f8ren Stra\u00dfer in \u0141\u00f3d\u017a, are read: wait!",
            "CVE-2031-12345 is mended. Use SHA256 with UTF-8, as RFC 9457 and ISO8601 say.",
            "Section 2.a \u2013 \u201cplan\u201d \u2013 and 1.5 hold\u2026 Don\u2019t wait.",
        ],
    )
    def test_plain_news_is_taken(self, words: str) -> None:
        assert flaws(content(Kind.ANNOUNCEMENT, what=words)) == {}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("page", "https://example.com"), ("page", "/exit?to=x"), ("page", "//example.com"),
            ("day", "tomorrow"), ("day", "20270331"), ("what", ""), ("what", "a" * 601),
        ],
    )  # fmt: skip
    def test_fields_are_closed(self, name: str, value: str) -> None:
        assert name in flaws(content(Kind.ANNOUNCEMENT, "service_change", **{name: value}))

    @pytest.mark.parametrize("value", ["25:00", "6:30", "0630", "06:30:00", "soon"])
    def test_a_time_is_a_time(self, value: str) -> None:
        assert "begins" in flaws(content(Kind.ANNOUNCEMENT, begins=value))

    def test_it_ends_after_it_begins(self) -> None:
        assert "ends" in flaws(content(Kind.ANNOUNCEMENT, begins="07:15", ends="07:15"))

    def test_no_field_is_added(self) -> None:
        assert "body" in flaws(content(Kind.ANNOUNCEMENT, body="More"))

    def test_a_text_of_another_kind_is_refused(self) -> None:
        assert "text" in flaws(content(Kind.ANNOUNCEMENT, "offer"))
        assert "text" in flaws(Content(Kind.ANNOUNCEMENT, "of my own", {}))

    def test_an_application_is_named_exactly_where_it_is_about_one(self) -> None:
        assert "application" in flaws(replace(content(Kind.SERVICE), application=""))
        assert "application" in flaws(replace(content(Kind.ANNOUNCEMENT), application="app_1"))


def test_an_application_may_have_a_number_in_its_name() -> None:
    told = content(Kind.SERVICE, what="Tidewater9 starts anew.")
    assert flaws(replace(told, application_name="Tidewater9")) == {}
    assert "what" in flaws(told)


@pytest.mark.promise("PS-66")
def test_a_launch_screen_is_no_place_for_advertising() -> None:
    assert flaws(content(Kind.SCREEN)) == {}
    for words in PROMOTING:
        assert "what" in flaws(content(Kind.SCREEN, what=words)), words
        assert "what" in flaws(content(Kind.SCREEN, "application_change", what=words)), words


class TestPartners:
    @pytest.mark.parametrize(
        "web",
        [
            "http://charts.example", "https://", "https://localhost", "javascript:alert(1)",
            "https://a@b.example", "https://charts.example:8443/", "https://charts.example/ x",
            "//charts.example", "https://charts.example/\u0430",
        ],
    )  # fmt: skip
    def test_their_page_is_a_plain_https_address(self, web: str) -> None:
        assert "web" in flaws(content(Kind.PARTNER, web=web))

    @pytest.mark.promise("PS-77")
    def test_counts_are_told_from_eleven_on(self) -> None:
        assert [shown_count(number) for number in (0, 1, 10, 11, 12)] == [None, None, None, 11, 12]


@pytest.mark.promise("PS-63")
class TestTheHash:
    def test_it_covers_everything_that_is_said(self) -> None:
        base = content(Kind.SERVICE)
        others = [
            content(Kind.SCREEN),
            content(Kind.SERVICE, "application_change"),
            content(Kind.SERVICE, what="Something else."),
            replace(base, application="app_2"),
            replace(base, application_name="Tally"),
        ]
        assert len({base.sha256, *(other.sha256 for other in others)}) == 6

    def test_what_was_approved_is_judged_again(self) -> None:
        good = content(Kind.ANNOUNCEMENT)
        assert mailing(good, good.sha256).as_approved() == good
        for approved in (None, "", content(Kind.ANNOUNCEMENT, what="Other.").sha256):
            with pytest.raises(Unapproved):
                mailing(good, approved).as_approved()

    def test_a_text_that_changed_since_is_not_approved(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = content(Kind.ANNOUNCEMENT)
        made = mailing(good, good.sha256)
        changed = replace(TEXTS["maintenance"], title="Maintenance soon, on {day}")
        monkeypatch.setitem(texts.TEXTS, "maintenance", changed)
        with pytest.raises(Unapproved):
            made.as_approved()


def around(template: str) -> dict[str, str]:
    """What a mail of the template says by itself, each file by its name."""
    names = [f"{template}/{part}" for part in ("subject.txt", "body.txt", "body.html")]
    shared = [f"{name}.{end}" for name in ("mailing", "layout") for end in ("txt", "html")]
    files = {name: (FOLDER / name).read_text() for name in (*names, *shared)}
    return files | {f"{template} why": TEMPLATES[template].why}


@pytest.mark.promise("PS-63")
class TestTheWrapper:
    MAILED = ("announcement", "service_notice", "offer", "partner_mail")

    def test_its_digest_is_part_of_what_is_approved(self) -> None:
        told = {name: text for each in self.MAILED for name, text in around(each).items()}
        digest = hashlib.sha256(canonical(told)).hexdigest()
        assert digest == texts.WRAPPER, "what was approved inside another wrapper stops with this"

    def test_a_mail_in_another_wrapper_is_not_approved(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mailed, screen = content(Kind.ANNOUNCEMENT), content(Kind.SCREEN)
        made, shown = mailing(mailed, mailed.sha256), mailing(screen, screen.sha256)
        monkeypatch.setattr("chalicelib.mailings.rules.WRAPPER", "0" * 64)
        with pytest.raises(Unapproved):
            made.as_approved()
        assert shown.as_approved() == screen

    @pytest.mark.parametrize("template", ["announcement", "service_notice"])
    def test_its_own_words_promote_nothing(self, template: str) -> None:
        from chalicelib.mailings.wording import promotion_flaw

        for name, text in around(template).items():
            words = re.sub(r"{%.*?%}|{{.*?}}|<[^>]*>", " ", text)
            assert promotion_flaw(words) == "", name


@pytest.mark.promise("PS-63", "PS-66")
@pytest.mark.parametrize("name", ["Halyard at half price: 50% off", "halyard.example", "Sale!"])
def test_the_name_of_an_application_promotes_nothing_either(name: str) -> None:
    for kind in (Kind.SCREEN, Kind.SERVICE):
        assert flaws(content(kind)) == {}
        assert "application" in flaws(replace(content(kind), application_name=name))
