"""What the forms of accounts take; imported where a form is read, because pydantic is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from chalicelib.accounts import fields
from chalicelib.accounts.countries import COUNTRIES
from chalicelib.accounts.zones import ZONES
from chalicelib.privacy.rules import Purpose

PROFILE = (
    "account_name", "name", "company", "street", "city", "postal_code", "country", "phone",
    "tax_id",
)  # fmt: skip
LONGEST_PASSWORD = 1024  # anything longer is refused before it is looked at


def one_line(text: str) -> str:
    if "\n" in text:
        raise ValueError("Use one line.")
    return text


def no_card(text: str) -> str:
    if fields.holds_card_number(text):
        raise ValueError("This looks like a card number. Only the card processor asks for that.")
    return text


def no_link(text: str) -> str:
    """Names stand in mails to addresses that are not confirmed yet: they carry no links."""
    if "://" in text or "www." in text.lower():
        raise ValueError("Leave web addresses out of a name.")
    return text


def known_country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError("Choose a country from the list.")
    return code


def known_zone(name: str) -> str:
    if name and name not in ZONES:
        raise ValueError("Choose a time zone from the list.")
    return name


def known_purpose(name: str) -> str:
    if name not in set(Purpose):
        raise ValueError("This is not something that one can choose.")
    return name


def yes_or_no(answer: str) -> str:
    if answer not in {"yes", "no"}:
        raise ValueError("Answer yes or no.")
    return answer


def at_most(length: int) -> Any:
    def check(text: str) -> str:
        if len(text) > length:
            raise ValueError(f"This is too long: at most {length} characters.")
        return text

    return AfterValidator(check)


def needed(sentence: str) -> Any:
    def check(value: Any) -> Any:
        if value in {None, ""}:
            raise ValueError(sentence)
        return value

    return BeforeValidator(check)


def absent() -> Any:
    """A field that was not sent is judged like one that was left empty."""
    return Field(default="", validate_default=True)


def text(length: int, sentence: str | None = None) -> Any:
    rules = (at_most(length), AfterValidator(one_line), AfterValidator(no_card))
    return (*rules, needed(sentence)) if sentence else rules


AccountName = Annotated[
    str,
    *text(80, "Enter a name for the account, such as your own."),
    AfterValidator(no_link),
]
Login = Annotated[str, *text(32, "Enter a login name."), AfterValidator(fields.check_login)]
Email = Annotated[str, *text(254, "Enter your email address."), AfterValidator(fields.normal_email)]
Name = Annotated[str, *text(100, "Enter your name."), AfterValidator(no_link)]
Company = Annotated[str, *text(100)]
Street = Annotated[str, *text(200, "Enter the street and number, or the post office box.")]
City = Annotated[str, *text(100, "Enter the town or city.")]
PostalCode = Annotated[str, *text(16, "Enter the postal code.")]
Country = Annotated[str, needed("Choose a country."), AfterValidator(known_country)]
Phone = Annotated[str, *text(32), AfterValidator(fields.check_phone)]
TaxId = Annotated[str, *text(32), AfterValidator(fields.check_tax_id)]
NameOrEmail = Annotated[str, at_most(254), needed("Enter your login name or email address.")]
Password = Annotated[str, at_most(LONGEST_PASSWORD), needed("Enter a password.")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ProfileForm(Strict):
    """What a person may correct about the account by themselves."""

    account_name: AccountName = absent()
    name: Name = absent()
    company: Company = absent()
    street: Street = absent()
    city: City = absent()
    postal_code: PostalCode = absent()
    country: Country = absent()
    phone: Phone = absent()
    tax_id: TaxId = absent()

    def profile(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in PROFILE}


class SetupForm(ProfileForm):
    """The same, and where it is morning: empty leaves that as it is."""

    time_zone: Annotated[str, AfterValidator(known_zone)] = ""


class ZoneForm(Strict):
    time_zone: Annotated[str, needed("Choose a time zone."), AfterValidator(known_zone)] = absent()


class RegistrationForm(ProfileForm):
    login: Login = absent()
    email: Email = absent()
    password: Password = absent()

    @field_validator("password")
    @classmethod
    def hard_to_guess(cls, password: str, info: ValidationInfo) -> str:
        known = ("login", "email", "account_name", "name", "company")
        return fields.check_password(password, [info.data.get(name, "") for name in known])

    def everything(self) -> dict[str, str]:
        return {**self.profile(), "login": self.login, "email": self.email}


class NewPasswordForm(Strict):
    password: Password = absent()

    @field_validator("password")
    @classmethod
    def hard_to_guess(cls, password: str) -> str:
        return fields.check_password(password)


class ChangePasswordForm(NewPasswordForm):
    current_password: Password = absent()


class ConfirmForm(Strict):
    password: Password = absent()


class LoginForm(Strict):
    login: Annotated[str, at_most(254), needed("Enter your login name or email address.")] = (
        absent()
    )
    password: Password = absent()
    next: Annotated[str, at_most(500)] = ""


class ForgotForm(Strict):
    email: Email = absent()


class EmailForm(Strict):
    email: Email = absent()
    password: Password = absent()


class ChoiceForm(Strict):
    """One answer to one question: yes or no, never neither."""

    purpose: Annotated[str, needed("Choose what it is about."), AfterValidator(known_purpose)] = (
        absent()
    )
    answer: Annotated[str, needed("Answer yes or no."), AfterValidator(yes_or_no)] = absent()


class EmptyForm(Strict):
    """A button and nothing else."""


class SessionForm(Strict):
    session: Annotated[str, at_most(64), needed("Choose a session from the list.")] = absent()
