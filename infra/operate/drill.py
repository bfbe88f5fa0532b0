"""`make restore-drill`: loses the tables of a fresh local cloud, brings them back, and looks.

    python -m infra.operate.drill        exits 0 only if all of it held

Accounts and usage are restored to a moment before the loss, beside the damaged tables, and put back
item by item, as docs/runbook.md does it on AWS. Keys are not restored. Every sentence that is
printed was checked before it was printed. On one machine the moment is a copy that was made then;
that AWS keeps every moment for 35 days, and how long its restore takes, only AWS can show.
"""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import httpx

from infra.local.clock import follow
from infra.local.front.run import LocalCloud
from infra.operate.leaving import leave_again
from infra.operate.restore import restore, scanned
from infra.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = {"accounts": "ACCOUNTS_TABLE", "usage": "USAGE_TABLE"}
PASSWORD = "nine slow boats at anchor"  # noqa: S105  # of people who live for a minute, on one machine
VERIFY = re.compile(r"https?://\S+/verify/\S+")
STAYS = {"tombstone", "payment", "order", "subscription"}
"""Of an account that was erased: amounts and dates, by ids that lead to nobody."""
MONTH = 32 * 86_400
CARD = {"number": "4242424242424242", "expiry": "12/34", "cvc": "123"}


class DidNotHold(Exception):
    """A sentence of the drill is not true; the text says which, and what was found."""


@dataclass
class Customer:
    """A person of the drill: what was typed, and the browser it was typed into."""

    name: str
    browser: Person
    street: str
    subject: str = ""
    """The pseudonym under which the vault knows the person; nothing else names it."""

    @property
    def login(self) -> str:
        return self.name.lower()

    @property
    def fields(self) -> dict[str, str]:
        return {
            "account_name": f"Drill of {self.name}",
            "login": self.login,
            "email": f"{self.login}@example.com",
            "password": PASSWORD,
            "name": f"Drill Customer {self.name}",
            "street": self.street,
            "city": "Exampleton",
            "postal_code": "10115",
            "country": "DE",
        }

    def sign_in(self) -> bool:
        """Whether the password opens the account, in a browser without cookies."""
        self.browser.cookies.clear()
        self.browser.open("/login")
        page = self.browser.submit("/login", login=self.login, password=PASSWORD)
        return page.path.startswith("/account")

    def profile_opens(self) -> bool:
        """Whether the page shows what was typed; its owner must be signed in."""
        return self.street in self.browser.open("/account/setup").html


@dataclass
class Drill:
    """The cloud, the operator's access to its tables, and what was found out so far."""

    cloud: LocalCloud
    dynamodb: Any
    sentences: int = 0
    copies: dict[str, str] = field(default_factory=dict)

    def hold(self, sentence: str, true: object, found: object = "") -> None:
        """Print the sentence if it is true; end the drill otherwise."""
        if not true:
            raise DidNotHold(f"not so: {sentence} (found: {found})")
        self.sentences += 1
        print(f"  {sentence}", flush=True)

    def table(self, name: str) -> str:
        return self.cloud.operator[TABLES[name]]

    @property
    def keys(self) -> str:
        return self.cloud.operator["KEYS_TABLE"]

    def count(self, table: str) -> int:
        return sum(1 for _ in scanned(self.dynamodb, table))

    def licenses(self) -> list[dict[str, Any]]:
        """What the vendor's program sees, in the order of ids."""
        token = self.cloud.control.seed()["tokens"][0]["token"]
        answer = httpx.get(
            f"{self.cloud.app}/v1/vendor/licenses", headers={"Authorization": f"Bearer {token}"}
        )
        return sorted(answer.json().get("items", []), key=lambda row: str(row["id"]))

    def mails(self, customer: Customer) -> int:
        return len(self.cloud.control.mail(to=customer.fields["email"]))

    def signing_keys(self) -> list[str]:
        answer = httpx.get(f"{self.cloud.app}/v1/keys")
        return [key["kid"] for key in answer.json().get("keys", [])]


def chapter(title: str) -> None:
    print(f"\n{title}", flush=True)


def register(drill: Drill, customer: Customer) -> None:
    """Registered, confirmed and with a license, by the pages that people use."""
    browser, known = customer.browser, subjects(drill)
    browser.open("/register")
    browser.submit("/register", **customer.fields)
    drill.cloud.control.settle()
    (welcome,) = drill.cloud.control.mail(to=customer.fields["email"])
    link = VERIFY.search(welcome["text"])
    browser.open(link[0] if link else "")
    browser.submit("/verify/", password=PASSWORD)
    (customer.subject,) = subjects(drill) - known
    plans = drill.cloud.control.seed()["plans"]
    plan = next(one["id"] for one in plans if one["name"] == "Monthly")
    page = browser.open("/apps/halyard")
    page.parsed.forms[:] = [form for form in page.parsed.forms if form.fields.get("plan") == plan]
    browser.submit("/orders")
    page = browser.submit("/c/pay/", **CARD)
    drill.cloud.control.settle()
    drill.hold(f"{customer.name} registers and orders Halyard.", page.path.startswith("/orders/"))
    drill.hold(f"{customer.name} sees the own profile, opened.", customer.profile_opens())


def copy_tables(drill: Drill) -> None:
    """What a restore to this moment gives: each table as it is now, beside itself."""
    for name in TABLES:
        source = drill.table(name)
        drill.copies[name] = f"{source}-restored"
        drill.dynamodb.restore_table_to_point_in_time(
            SourceTableName=source, TargetTableName=drill.copies[name], UseLatestRestorableTime=True
        )
        found = drill.count(drill.copies[name])
        drill.hold(f"{name}: {found} items as of this moment.", found == drill.count(source))


def erase(drill: Drill, customer: Customer) -> None:
    """On the page and at once, as its owner does it; the sweep takes the last row away."""
    customer.sign_in()
    customer.browser.open("/account/privacy/erase")
    customer.browser.submit("/account/privacy/erase", hours="0", password=PASSWORD)
    drill.cloud.control.run("erasure_sweep")


def rest(customer: Customer) -> None:
    """On the page, as its owner does it."""
    customer.sign_in()
    customer.browser.open("/account/privacy/deactivate")
    customer.browser.submit("/account/privacy/deactivate", password=PASSWORD)


def come_back(customer: Customer) -> bool:
    """Whether the page brings the account back."""
    customer.browser.cookies.clear()
    customer.browser.open("/reactivate")
    names = {"login": customer.login, "password": PASSWORD, "what": "reactivate"}
    return customer.browser.submit("/reactivate", **names).path == "/account"


def state(drill: Drill, account: str) -> str:
    found = scanned(drill.dynamodb, drill.table("accounts"))
    (item,) = (
        i for i in found if (i["pk"]["S"], i["sk"]["S"]) == (f"ACCOUNT#{account}", "ACCOUNT")
    )
    return str(item["state"]["S"])


def grants(drill: Drill) -> list[dict[str, Any]]:
    return [item for item in scanned(drill.dynamodb, drill.keys) if "data_key" in item]


def subjects(drill: Drill) -> set[str]:
    """Everybody of whom anything opens."""
    return {grant["pk"]["S"].removeprefix("SUBJECT#") for grant in grants(drill)}


def rows(drill: Drill, account: str) -> set[str]:
    """The kinds of rows of an account."""
    found = scanned(drill.dynamodb, drill.table("accounts"))
    return {item["type"]["S"] for item in found if item["pk"]["S"] == f"ACCOUNT#{account}"}


def account_of(drill: Drill, customer: Customer) -> str:
    found = scanned(drill.dynamodb, drill.table("accounts"))
    accounts = (item for item in found if item["type"]["S"] == "account")
    (item,) = (item for item in accounts if item["subject"]["S"] == customer.subject)
    return str(item["pk"]["S"]).removeprefix("ACCOUNT#")


def payments(drill: Drill, account: str) -> int:
    found = scanned(drill.dynamodb, drill.table("accounts"))
    of = [item for item in found if item["pk"]["S"] == f"ACCOUNT#{account}"]
    return sum(item["type"]["S"] == "payment" for item in of)


def lose_all(drill: Drill, name: str) -> None:
    table = drill.table(name)
    for item in list(scanned(drill.dynamodb, table)):
        drill.dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})


def lose_keys(drill: Drill) -> list[dict[str, Any]]:
    """Take all grants out of the table, and return them."""
    found = grants(drill)
    for grant in found:
        drill.dynamodb.delete_item(TableName=drill.keys, Key={"pk": grant["pk"], "sk": grant["sk"]})
    return found


def sealed(drill: Drill, customers: list[Customer]) -> bool:
    """Whether no table, copies included, has anything of a profile in the clear."""
    tables = [*map(drill.table, TABLES), *drill.copies.values(), drill.keys]
    text = "".join(repr(item) for table in tables for item in scanned(drill.dynamodb, table))
    return not any(customer.street in text for customer in customers)


def tell(drill: Drill, ada: Customer, ben: Customer, cleo: Customer, dan: Customer) -> None:
    chapter("Before")
    for customer in (ada, ben, cleo, dan):
        register(drill, customer)
    resting = account_of(drill, dan)
    rest(dan)
    drill.hold("Dan deactivates the account.", not dan.sign_in())
    before, kids = drill.licenses(), drill.signing_keys()
    chapter("A moment is kept (point-in-time recovery of accounts and usage; keys has none)")
    copy_tables(drill)
    chapter("Life goes on after it")
    account = account_of(drill, ben)
    erase(drill, ben)
    drill.hold("Ben has the account erased, and cannot sign in any more.", not ben.sign_in())
    rest(cleo)
    drill.hold("Cleo deactivates the account.", not cleo.sign_in())
    drill.hold("Dan comes back.", come_back(dan))
    drill.cloud.control.settle()
    chapter("The loss: every item of accounts and usage is gone")
    for name in TABLES:
        lose_all(drill, name)
    drill.hold("Ada cannot sign in.", not ada.sign_in())
    chapter("The restore: what is missing is put back, nothing is overwritten")
    for name in reversed(TABLES):
        done = restore(drill.dynamodb, drill.copies[name], drill.table(name))
        drill.hold(f"{name}: {done}.", done.put and not done.there, done)
    again = restore(drill.dynamodb, drill.copies["accounts"], drill.table("accounts"))
    drill.hold("Restored once more, nothing changes.", not again.put, again)
    drill.cloud.control.advance(600)  # whatever a function keeps in memory is looked at again
    chapter("With the keys, everything opens again")
    drill.hold("Ada was signed out, and signs in with the password.", ada.sign_in())
    drill.hold("Ada's profile opens.", ada.profile_opens())
    after = drill.licenses()
    drill.hold(f"The vendor sees the same {len(after)} licenses.", after == before, after)
    drill.hold("The same key signs as before.", drill.signing_keys() == kids, kids)
    put_right(drill, ben, cleo, resting)
    tell_of_the_erased(drill, ben, account)
    chapter("Without the keys, nothing opens")
    lost, everybody = lose_keys(drill), [ada, ben, cleo, dan]
    drill.hold(f"{len(lost)} grants are taken away.", lost)
    drill.hold("Ada signs in, for a password is no personal field.", ada.sign_in())
    drill.hold("Ada's profile does not open.", not ada.profile_opens())
    drill.hold("No table and no copy holds a profile in the clear.", sealed(drill, everybody))
    for grant in lost:
        drill.dynamodb.put_item(TableName=drill.keys, Item=grant)
    drill.hold("With the grants back, Ada's profile opens.", ada.profile_opens())


def put_right(drill: Drill, ben: Customer, cleo: Customer, dan: str) -> None:
    """The backup is from before they left or came back; the table of keys remembers it."""
    chapter("Whoever was erased, deactivated or back since the moment is so again")
    drill.hold("Ben's account is there again, as rows, and the password fits.", ben.sign_in())
    drill.hold("Ben's profile does not open.", not ben.profile_opens())
    drill.hold("Cleo's account is active, though Cleo left it.", cleo.sign_in())
    drill.hold("Cleo's profile does not open.", not cleo.profile_opens())
    cleo.browser.open("/forgot")
    before = drill.mails(cleo)
    cleo.browser.submit("/forgot", email=cleo.fields["email"])
    drill.cloud.control.settle()
    drill.hold("No mail finds Cleo.", drill.mails(cleo) == before)
    drill.hold("Dan's account rests, though Dan is back.", state(drill, dan) != "active")
    done = leave_again()
    right = {"erased": 1, "erased_again": 1, "rest": 1, "rest_again": 1, "back_again": 1}
    drill.hold("One is erased again, one rests again, one is back again.", done == right, done)
    drill.hold("Cleo cannot sign in.", not cleo.sign_in())
    drill.hold("Cleo comes back, and the profile opens.", come_back(cleo) and cleo.profile_opens())
    drill.hold("Dan's account is active.", state(drill, dan) == "active")


def tell_of_the_erased(drill: Drill, ben: Customer, account: str) -> None:
    """What is left of who goes again, and what nobody charges or mails any more."""
    chapter("Whoever was erased since the moment goes for good")
    control, mails, paid = drill.cloud.control, drill.mails(ben), payments(drill, account)
    drill.hold("Ben cannot sign in.", not ben.sign_in())
    control.run("erasure_sweep")
    left = rows(drill, account)
    drill.hold("A tombstone and the books are left.", left <= STAYS and "tombstone" in left, left)
    done = leave_again()
    drill.hold("Done once more, nothing changes.", done["erased_again"] == 0, done)
    control.advance(MONTH)
    for function in ("renewal_sweep", "mail_planner", "mail_sweep"):
        control.run(function)
    control.settle()
    drill.hold("A month later Ben got no mail.", drill.mails(ben) == mails)
    drill.hold("Nothing was charged for Ben.", payments(drill, account) == paid)


def people(cloud: LocalCloud) -> Iterator[Customer]:
    streets = {
        "Ada": "7 Restored Road",
        "Ben": "9 Erased Alley",
        "Cleo": "11 Resting Row",
        "Dan": "13 Return Drive",
    }
    for name, street in streets.items():
        yield Customer(name, Person(cloud.app), street)


def main() -> int:
    begun = time.monotonic()
    with LocalCloud() as cloud:
        cloud.control.schedules("manual")
        os.environ.update(cloud.operator)
        follow(cloud.clock_file)
        drill = Drill(cloud, boto3.client("dynamodb"))
        ada, ben, cleo, dan = people(cloud)
        try:
            with ada.browser, ben.browser, cleo.browser, dan.browser:
                tell(drill, ada, ben, cleo, dan)
        except DidNotHold as error:
            print(f"restore-drill: {error}", file=sys.stderr)
            return 1
    spent = time.monotonic() - begun
    print(f"\n{drill.sentences} sentences held, in {spent:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
