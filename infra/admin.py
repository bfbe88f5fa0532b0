"""The operator's commands: what no page and no program may do.

    python -m infra.admin [--stack NAME] secrets --checkout-key FILE --worker-key FILE
    python -m infra.admin [--stack NAME] signing-key
    python -m infra.admin [--stack NAME] vendor-key --out vendor.jwk
    python -m infra.admin [--stack NAME] vendor --name "Harbor Tools" --key vendor.pub.jwk
    python -m infra.admin [--stack NAME] vendor-token --vendor vnd_… --label "nightly export"
    python -m infra.admin [--stack NAME] application --vendor vnd_… --slug halyard \
        --name Halyard … [--interest drawing]
    python -m infra.admin [--stack NAME] plan --application halyard --kind metered \
        --name "By the hour" --currency USD --price 0.90
    python -m infra.admin [--stack NAME] plan … --kind pass --price 15.00 --hours 20
    python -m infra.admin [--stack NAME] plan … --kind subscription --price 29.00 --months 1
    python -m infra.admin [--stack NAME] plan … --kind trial --valid-days 14
    python -m infra.admin [--stack NAME] release --application halyard --version 1.0.0 \
        --vendor-key vendor.jwk --artifact linux=halyard-1.0.0-linux.tar.gz
    python -m infra.admin [--stack NAME] staff --name ada --role operator [billing …] \
        --email ada@example.org
    python -m infra.admin [--stack NAME] staff-email --name ada --email ada@example.org
    python -m infra.admin [--stack NAME] staff-end --name ada
    python -m infra.admin [--stack NAME] cases
    python -m infra.admin [--stack NAME] case --case cas_…
    python -m infra.admin [--stack NAME] case-close --case cas_…
    python -m infra.admin [--stack NAME] leave-again
    python -m infra.admin [--stack NAME] fiscal --account acc_…
    python -m infra.admin [--stack NAME] mailing-count --mailing mlg_…
    python -m infra.admin [--stack NAME] refund --payment pi_… [--amount 7.00]
    python -m infra.admin [--stack NAME] books --month 2026-11
    python -m infra.admin [--stack NAME] ledger-export --out FOLDER
    python -m infra.admin [--stack NAME] partner --name "Chart Weekly" --until 2027-12-31
    python -m infra.admin [--stack NAME] partner-link --partner ptr_… --month 2026-11
    python -m infra.admin [--stack NAME] contract --recipient processor \
        --contract NAME --until 2027-12-31

Each prints one JSON object. With `--stack` the names of tables, buckets and keys are read from that
stack's API function; without it, from the environment. It runs with the operator's own credentials,
and only where this machine's clock is within three minutes of the service's.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from chalicelib import wiring
from chalicelib.catalog import rules
from chalicelib.core import signing
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.core.errors import CetrusError
from chalicelib.core.interests import INTERESTS, OTHER
from chalicelib.settings import settings
from chalicelib.staff.rules import Role
from chalicelib.storage.aws import client
from infra.publishing import publish_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Json = dict[str, Any]
CLOCKS = 3 * MINUTE
"""How far this machine's clock may be from the service's: less than a head waits for rows."""
OFFLINE = frozenset({"vendor-key"})
"""Commands that write a file here and ask no cloud for anything."""
LONG_LIVED = 4_102_444_800_000  # 1 January 2100: a webhook secret counts until it is replaced


def use_clock() -> None:
    """What is written bears a local cloud's own time, and else that of a clock that is right.

    Exits where the clock of this machine is wrong, and where LOCAL_CLOCK is set for a cloud that
    is not on this machine: rows that are dated ahead would lie in the ledger until their day comes.
    """
    if clock := os.environ.get("LOCAL_CLOCK"):
        if not is_here(os.environ.get("AWS_ENDPOINT_URL", "")):
            raise SystemExit("LOCAL_CLOCK moves the time of a local cloud alone: unset it")
        from infra.local.clock import follow

        follow(clock)
    elif abs(apart := round(time.time() * 1000) - service_time()) > CLOCKS:
        minutes = abs(apart) // MINUTE
        raise SystemExit(f"this machine's clock is {minutes} minutes wrong: set it, and try again")


def is_here(address: str) -> bool:
    return urlsplit(address).hostname in {"127.0.0.1", "localhost", "::1"}


def service_time() -> int:
    """The service's own time, in milliseconds, also of an answer that refuses our clock."""
    try:
        answer = client("sts").get_caller_identity()
    except ClientError as refused:
        answer = refused.response
    told = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
    return round(parsedate_to_datetime(told).timestamp() * 1000)


def use_stack(name: str) -> None:
    """Take the environment of the stack's API function as ours."""
    stack = client("cloudformation")
    resource = stack.describe_stack_resource(StackName=name, LogicalResourceId="APIHandler")
    function = resource["StackResourceDetail"]["PhysicalResourceId"]
    found = client("lambda").get_function_configuration(FunctionName=function)
    os.environ.update(found["Environment"]["Variables"])


def find_cloud(program: str, stack: str | None) -> None:
    """The clock of the cloud at hand, and the stack's names as ours.

    Exits with 2, saying why in one line, where there is no such cloud.
    """
    try:
        use_clock()
        if stack:
            use_stack(stack)
    except NoCredentialsError:
        reason = "no AWS credentials; choose a profile: export AWS_PROFILE=…"
    except BotoCoreError as error:
        reason = f"no cloud to work on: {error}"
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        reason = f"there is no stack {stack}, or it has no APIHandler, in this account and region"
    else:
        return
    print(f"{program}: {reason}", file=sys.stderr)
    raise SystemExit(2)


# secrets and keys


def put_secrets(checkout_key: str, worker_key: str, webhook_secret: str | None = None) -> Json:
    """Write the secrets that do not exist yet; those that do stay as they are."""
    signing_secret = webhook_secret or f"whsec_{secrets.token_urlsafe(32)}"
    webhook = [{"id": "1", "value": signing_secret, "not_before": 0, "not_after": LONG_LIVED}]
    wanted = {
        "hash-key": secrets.token_urlsafe(32),
        "link-key": secrets.token_urlsafe(32),
        "processor-checkout-key": checkout_key,
        "processor-worker-key": worker_key,
        "webhook-secrets": json.dumps(webhook),
    }
    written = [name for name, value in wanted.items() if put_secret(name, value)]
    return {"written": written, "kept": [name for name in wanted if name not in written]}


def put_secret(name: str, value: str) -> bool:
    """False where the parameter exists; it is never overwritten, because claims hang on it."""
    store = client("ssm")
    try:
        store.put_parameter(
            Name=f"{settings().secrets_prefix}/{name}", Value=value, Type="SecureString"
        )
    except store.exceptions.ParameterAlreadyExists:
        return False
    return True


def make_vendor_key(out: Path) -> Json:
    """A new Ed25519 key for a vendor: the private JWK in a file that only its owner can read."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = {**signing.public_jwk(key), "d": signing.b64(key.private_bytes_raw())}
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(private, file)
    return {"private": str(out), "public": signing.public_jwk(key)}


def read_public(path: Path) -> signing.Jwk:
    """The public part of a JWK file, private or not."""
    key = json.loads(path.read_text())
    return signing.public_members({name: value for name, value in key.items() if name != "d"})


# the catalog


def add_vendor(name: str, keys: Iterable[signing.Jwk]) -> Json:
    vendor = wiring.vendors().add(name, list(keys))
    return {"id": vendor.id, "name": vendor.name}


def add_vendor_token(vendor_id: str, label: str) -> Json:
    wiring.vendors().vendor(vendor_id)
    return {
        "vendor": vendor_id,
        "label": label,
        "token": wiring.vendors().new_token(vendor_id, label),
    }


def add_application(
    *, vendor_id: str, slug: str, name: str, summary: str, description: str, interest: str = OTHER
) -> Json:
    vendor = wiring.vendors().vendor(vendor_id)
    found = wiring.catalog().add_application(
        vendor_id=vendor.id,
        vendor_name=vendor.name,
        slug=slug,
        name=name,
        summary=summary,
        description=description,
        interest=interest,
    )
    return {"id": found.id, "slug": found.slug, "name": found.name, "vendor": vendor.id}


def add_plan(*, slug: str, kind: str, name: str, currency: str, **facts: Any) -> Json:
    """`facts` are those of `Catalog.add_plan` that this kind has."""
    application = wiring.catalog().by_slug(slug)
    plan = wiring.catalog().add_plan(application, kind=kind, name=name, currency=currency, **facts)
    return {
        "id": plan.id,
        "application": application.id,
        "kind": plan.kind,
        "name": plan.name,
        "price_per_hour": plan.hourly,
        "rate": plan.terms.rate,
        "currency": plan.currency,
        "price": plan.terms.price,
        "prepaid_ms": plan.terms.prepaid_ms,
        "valid_ms": plan.terms.valid_ms,
        "period_months": plan.terms.period_months,
    }


# staff


def add_staff(
    name: str, roles: Iterable[str], password: str | None = None, email: str | None = None
) -> Json:
    """A member of staff; the password is made here, and told once, where none is given.

    Without an address nobody can remind them of anything; `staff-email` gives them one later.
    """
    from chalicelib.accounts.fields import check_login, check_password, normal_email

    made = password or secrets.token_urlsafe(18)
    try:
        normal_email(email or "nobody@example.org")
        check_login(name)
        check_password(made, [name])
        wanted = [Role(role) for role in roles]
    except ValueError as error:
        raise CetrusError(str(error)) from None
    member = wiring.staff().add(name, made, wanted)
    if email:
        wiring.staff().address(name, email)
    told = {} if password else {"password": made}
    return {"id": member.id, "name": name, "roles": sorted(member.roles), **told}


def address_staff(name: str, email: str) -> Json:
    """The address that a member of staff is written to, sealed, in place of the one before."""
    try:
        return {"id": wiring.staff().address(name, email).id, "name": name}
    except ValueError as error:
        raise CetrusError(str(error)) from None


def end_staff(name: str) -> Json:
    """Somebody leaves: signed out everywhere at once, and the name is free."""
    return {"id": wiring.staff().end(name).id, "name": name, "state": "ended"}


def command_staff(args: argparse.Namespace) -> Json:
    path = args.password_file
    password = Path(path).read_text().strip() if path else None
    return add_staff(args.name, args.role, password, args.email)


# the command line


def named_files(pairs: Iterable[str]) -> dict[str, Path]:
    return {platform: Path(path) for platform, _, path in (pair.partition("=") for pair in pairs)}


def command_secrets(args: argparse.Namespace) -> Json:
    keys = (Path(path).read_text().strip() for path in (args.checkout_key, args.worker_key))
    return put_secrets(*keys)


def command_plan(args: argparse.Namespace) -> Json:
    return add_plan(
        slug=args.application,
        kind=args.kind,
        name=args.name,
        currency=args.currency,
        price=args.price,
        free_ms=args.free_minutes * MINUTE,
        prepaid_ms=args.hours and args.hours * HOUR,
        valid_ms=args.valid_days and args.valid_days * DAY,
        period_months=args.months,
    )


def command_release(args: argparse.Namespace) -> Json:
    return publish_release(
        slug=args.application,
        version=args.version,
        notes=args.notes,
        files=named_files(args.artifact),
        vendor_key=json.loads(Path(args.vendor_key).read_text()),
    )


def command_refund(args: argparse.Namespace) -> Json:
    from infra.operate import money

    return money.refund(args.payment, args.amount)


def command_cases(_: argparse.Namespace) -> Json:
    from infra.operate import cases

    return cases.listed()


def command_case(args: argparse.Namespace) -> Json:
    from infra.operate import cases

    return cases.read(args.case)


def command_case_close(args: argparse.Namespace) -> Json:
    from infra.operate import cases

    return cases.close(args.case)


def command_books(args: argparse.Namespace) -> Json:
    from infra.operate import money

    return money.books(args.month)


def command_leave_again(_: argparse.Namespace) -> Json:
    from infra.operate import leaving

    return dict(leaving.leave_again())


def command_fiscal(args: argparse.Namespace) -> Json:
    from infra.operate import fiscal

    return fiscal.read(args.account)


def command_mailing_count(args: argparse.Namespace) -> Json:
    from chalicelib import wiring

    return wiring.mailings().for_partner(args.mailing)


def command_contract(args: argparse.Namespace) -> Json:
    from infra.operate import contracts

    return contracts.sign(args.recipient, args.contract, args.until)


def command_ledger_export(args: argparse.Namespace) -> Json:
    from infra.operate import ledger

    return ledger.export(Path(args.out))


def command_partner(args: argparse.Namespace) -> Json:
    from infra.operate import partners

    return partners.register(args.name, args.until, args.partner)


def command_partner_link(args: argparse.Namespace) -> Json:
    from infra.operate import partners

    return partners.link(args.partner, args.month)


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], Json], dict[str, dict[str, Any]]]] = {
    "secrets": (command_secrets, {"--checkout-key": {}, "--worker-key": {}}),
    "signing-key": (lambda _: {"kid": wiring.key_ring().ensure_key()}, {}),
    "refund": (
        command_refund,
        {"--payment": {}, "--amount": {"required": False, "default": ""}},
    ),
    "books": (command_books, {"--month": {}}),
    "partner": (
        command_partner,
        {"--name": {}, "--until": {}, "--partner": {"required": False, "default": ""}},
    ),
    "partner-link": (command_partner_link, {"--partner": {}, "--month": {}}),
    "ledger-export": (command_ledger_export, {"--out": {}}),
    "contract": (command_contract, {"--recipient": {}, "--contract": {}, "--until": {}}),
    "leave-again": (command_leave_again, {}),
    "fiscal": (command_fiscal, {"--account": {}}),
    "mailing-count": (command_mailing_count, {"--mailing": {}}),
    "cases": (command_cases, {}),
    "case": (command_case, {"--case": {}}),
    "case-close": (command_case_close, {"--case": {}}),
    "vendor-key": (lambda a: make_vendor_key(Path(a.out)), {"--out": {}}),
    "vendor": (
        lambda a: add_vendor(a.name, [read_public(Path(path)) for path in a.key]),
        {"--name": {}, "--key": {"nargs": "+"}},
    ),
    "vendor-token": (
        lambda a: add_vendor_token(a.vendor, a.label),
        {"--vendor": {}, "--label": {}},
    ),
    "application": (
        lambda a: add_application(
            vendor_id=a.vendor,
            slug=a.slug,
            name=a.name,
            summary=a.summary,
            description=a.description,
            interest=a.interest,
        ),
        {
            "--vendor": {},
            "--slug": {},
            "--name": {},
            "--summary": {},
            "--description": {},
            "--interest": {"choices": INTERESTS, "default": OTHER, "required": False},
        },
    ),
    "plan": (
        command_plan,
        {
            "--application": {},
            "--kind": {"choices": rules.KINDS},
            "--name": {},
            "--currency": {},
            "--price": {"required": False},
            "--free-minutes": {"type": int, "default": 0, "required": False},
            "--hours": {"type": int, "required": False},
            "--valid-days": {"type": int, "required": False},
            "--months": {"type": int, "required": False},
        },
    ),
    "staff": (
        command_staff,
        {
            "--name": {},
            "--role": {"nargs": "+", "choices": [str(role) for role in Role]},
            "--password-file": {"required": False},
            "--email": {"required": False},
        },
    ),
    "staff-email": (lambda a: address_staff(a.name, a.email), {"--name": {}, "--email": {}}),
    "staff-end": (lambda a: end_staff(a.name), {"--name": {}}),
    "release": (
        command_release,
        {
            "--application": {},
            "--version": {},
            "--vendor-key": {},
            "--notes": {"default": "", "required": False},
            "--artifact": {"nargs": "+"},
        },
    ),
}


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m infra.admin",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--stack", help="take names from this CloudFormation stack")
    commands = found.add_subparsers(dest="command", required=True)
    for name, (_, options) in COMMANDS.items():
        command = commands.add_parser(name)
        for option, more in options.items():
            command.add_argument(option, **{"required": True, **more})
    return found


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    if args.command not in OFFLINE:
        find_cloud(args.command, args.stack)
    try:
        print(json.dumps(COMMANDS[args.command][0](args), indent=2, ensure_ascii=False))
    except CetrusError as error:
        fields = "".join(f" {name}: {text}" for name, text in error.errors.items())
        print(f"{args.command}: {error.detail}{fields}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
