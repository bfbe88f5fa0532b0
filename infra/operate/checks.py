"""What a deployment needs, one check each, in the order in which it is best mended."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import throttling
from infra.fragments import read_fragment
from infra.operate import edge
from infra.operate.check import Check, When

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.storage.dynamo import Table
    from infra.operate.place import Place

PINNED = (3, 11)
"""The Lambda runtime of every deployment: the interpreter that packages must be of this version."""
UNRESERVED = 100
"""Executions that an account must always leave to functions without a reservation."""
MAIL_A_DAY = 1_000
"""Mails a day that the smallest deployment must be able to send."""
SOON = dt.timedelta(days=30)
RECEIVING = frozenset(
    {
        *("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "sa-east-1"),
        *("eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-south-1"),
        *("ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2"),
    }
)
"""Regions in which SES receives mail, as documented in 2026; not verified by a deployment."""
CHANGEABLE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"}
)
ROLES = Path(__file__).parents[1] / "roles.yaml"
CHECKS: list[Check] = []


def check(name: str, when: When, then: str) -> Callable[[Any], Any]:
    """Add a check to the list, where it stands."""

    def add(look: Any) -> Any:
        CHECKS.append(Check(name, when, then, look))
        return look

    return add


# before a deployment


@check("python", When.DEPLOYING, "make PYTHON=python3.11 (the runtime of every deployment).")
def python(place: Place) -> str | None:
    if place.python == PINNED:
        return None
    return f"this is {_version(place.python)}, and deployments run {_version(PINNED)}"


@check("aws", When.DEPLOYING, "Install the AWS command line, version 2, and put it on the PATH.")
def command_line(place: Place) -> str | None:
    return None if place.program("aws") else "there is no `aws` on this machine"


@check("account", When.DEPLOYING, "Choose the right profile: export AWS_PROFILE=…")
def account(place: Place) -> str | None:
    found = place.client("sts").get_caller_identity()["Account"]
    wanted = place.deployment.account
    return None if found == wanted else f"these credentials are of {found}, not {wanted}"


@check(
    "artifacts",
    When.DEPLOYING,
    "aws s3api create-bucket --bucket {artifacts} --region {region} "
    "--create-bucket-configuration LocationConstraint={region}, then "
    "aws s3api put-public-access-block with all four set.",
)
def artifacts(place: Place) -> str | None:
    s3, bucket = place.client("s3"), place.deployment.artifacts
    try:
        where = s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] or "us-east-1"
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except s3.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchBucket":
            return f"there is no bucket {bucket}"
        if code != "NoSuchPublicAccessBlockConfiguration":
            raise
        return f"the bucket {bucket} may be made public"
    if where != place.deployment.region:
        return f"the bucket {bucket} is in {where}"
    return None if all(block.values()) else f"the bucket {bucket} may be made public"


@check(
    "stack",
    When.DEPLOYING,
    "Wait for what is under way. A stack whose creation failed has to be deleted first: "
    "aws cloudformation delete-stack --stack-name {stack} (tables and keys stay).",
)
def stack(place: Place) -> str | None:
    return _stuck(place.status(place.deployment.stack, place.deployment.region))


@check(
    "edge-stack",
    When.DEPLOYING,
    "Wait for what is under way. A stack whose creation failed has to be deleted first: "
    "aws cloudformation delete-stack --region us-east-1 --stack-name {edge_stack}.",
)
def edge_stack(place: Place) -> str | None:
    if not place.deployment.certificate:
        return None  # it is not touched
    return _stuck(place.status(place.deployment.edge_stack, edge.REGION))


@check(
    "concurrency",
    When.DEPLOYING,
    "Ask for more: aws service-quotas request-service-quota-increase --service-code lambda "
    "--quota-code L-B99A9384 --desired-value 1000 --region {region}. New accounts begin with 10.",
)
def concurrency(place: Place) -> str | None:
    limits = place.client("lambda").get_account_settings()["AccountLimit"]
    needed = reserved() + UNRESERVED
    if limits["ConcurrentExecutions"] >= needed:
        return None
    return f"{limits['ConcurrentExecutions']} executions at once, and {needed} are needed"


@check(
    "receiving",
    When.DEPLOYING,
    "Choose a region in which the mail service receives mail, such as eu-west-1.",
)
def receiving(place: Place) -> str | None:
    region = place.deployment.region
    return None if region in RECEIVING else f"no mail can be received in {region}"


@check(
    "certificate",
    When.DEPLOYING,
    "aws acm request-certificate --region us-east-1 --validation-method DNS --domain-name {host}, "
    "put its CNAME into the zone, and its ARN into the parameters as `certificate`.",
)
def certificate(place: Place) -> str | None:
    """A bad one is found before anything is put; a rehearsal may go on without one."""
    arn = place.deployment.certificate
    if not arn:
        return None
    acm = place.client("acm", edge.REGION)
    try:
        found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    except acm.exceptions.ResourceNotFoundException:
        return "this certificate does not exist"
    if found["Status"] != "ISSUED":
        return f"it is not issued: {found['Status']}"
    names = {found["DomainName"], *found.get("SubjectAlternativeNames", [])}
    if not any(_covers(name, place.deployment.host) for name in names):
        return f"it does not cover {place.deployment.host}"
    ends = found.get("NotAfter")
    return "it ends within 30 days" if ends and ends < place.now() + SOON else None


# before anybody is served


@check(
    "front-door",
    When.SERVING,
    "Put the ARN of a certificate for {host} into the parameters as `certificate` "
    "(docs/first-deploy.md, line 13), and deploy.",
)
def front_door(place: Place) -> str | None:
    if not place.deployment.certificate:
        return "without a certificate there is none, and so no limits and no visitor logs"
    return None if place.fronted else f"{place.deployment.edge_stack} is not there yet"


@check(
    "secrets",
    When.SERVING,
    ".venv/bin/python -m infra.admin --stack {stack} secrets --checkout-key FILE --worker-key FILE",
)
def secrets(place: Place) -> str | None:
    wanted = [f"/cetrus/{place.deployment.stage}/{name}" for name in secret_names()]
    kept, absent = _parameters(place, wanted)
    if absent:
        return f"not there: {', '.join(absent)}"
    plain = [name for name, one in kept.items() if one["Type"] != "SecureString"]
    return f"not encrypted: {', '.join(plain)}" if plain else None


@check(
    "processor",
    When.SERVING,
    "Make two restricted keys of the right mode in the processor's dashboard, and put each with "
    "aws ssm put-parameter --overwrite --type SecureString (docs/runbook.md).",
)
def processor(place: Place) -> str | None:
    """Live keys in the live stage and test keys elsewhere, restricted, one for each function."""
    mode = "live" if place.deployment.live else "test"
    values: list[str] = []
    for name in ("processor-checkout-key", "processor-worker-key"):
        value = _secret(place, name)
        if value is None:
            return f"{name} is not there"
        if not value.startswith("rk_"):
            return f"{name} is not a restricted key"
        if not value.startswith(f"rk_{mode}_"):
            return f"{name} is not of the {mode} mode, and the stage is {place.deployment.stage}"
        values.append(value)
    return "both functions share one key" if len(set(values)) == 1 else None


@check(
    "webhook-secret",
    When.SERVING,
    "Add an endpoint {host}/webhooks/stripe in the processor's dashboard and put its signing "
    "secret into webhook-secrets (docs/runbook.md, rotating).",
)
def webhook_secret(place: Place) -> str | None:
    value = _secret(place, "webhook-secrets")
    if value is None:
        return "webhook-secrets is not there"
    now = int(place.now().timestamp() * 1000)
    try:
        counts = [row for row in json.loads(value) if row["not_before"] <= now < row["not_after"]]
    except (ValueError, TypeError, KeyError):
        return "webhook-secrets is not a list of {id, value, not_before, not_after}"
    return None if counts else "no signing secret counts at this time"


@check("signing-key", When.SERVING, ".venv/bin/python -m infra.admin --stack {stack} signing-key")
def signing_key(place: Place) -> str | None:
    from boto3.dynamodb.types import TypeDeserializer

    rows = place.client("dynamodb").query(
        TableName=place.output("AccountsTableName"),
        ConsistentRead=True,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "SIGNING"}},
        ProjectionExpression="signs_until",
    )["Items"]
    read = TypeDeserializer().deserialize
    soon = int((place.now() + SOON).timestamp() * 1000)
    if any(int(read(row["signs_until"])) > soon for row in rows):
        return None
    return "no key signs for another 30 days" if rows else "there is none"


@check(
    "contract",
    When.SERVING,
    ".venv/bin/python -m infra.admin --stack {stack} contract --recipient processor "
    "--contract NAME --until YYYY-MM-DD",
)
def contract(place: Place) -> str | None:
    """Nothing is sent to the processor without one in force (PS-40)."""
    from chalicelib.privacy.disclosures import PROCESSOR, Contracts

    found = Contracts(_accounts(place)).of(PROCESSOR)
    if found is None:
        return "there is none with the card processor, so each checkout answers 503"
    soon = int((place.now() + SOON).timestamp() * 1000)
    return None if found.until > soon else "the one with the card processor ends within 30 days"


@check(
    "staff",
    When.SERVING,
    ".venv/bin/python -m infra.admin --stack {stack} staff --name NAME --role privacy "
    "--email ADDRESS",
)
def staff(place: Place) -> str | None:
    from chalicelib.staff.rules import Role
    from chalicelib.staff.store import StaffStore

    accounts = _accounts(place)
    if any(Role.PRIVACY in one.roles for one in StaffStore(accounts, accounts).written_to()):
        return None
    return "nobody with the role privacy has an address, so nobody hears of cases"


@check(
    "mail-identity",
    When.SERVING,
    "Put the three CNAMEs of aws sesv2 get-email-identity --email-identity {mail_domain} "
    "--region {region} into the zone, and wait for its verification.",
)
def mail_identity(place: Place) -> str | None:
    ses = place.client("sesv2")
    try:
        found = ses.get_email_identity(EmailIdentity=place.deployment.mail_domain)
    except ses.exceptions.NotFoundException:
        return f"{place.deployment.mail_domain} is not known to the mail service"
    if not found.get("VerifiedForSendingStatus"):
        return f"{place.deployment.mail_domain} is not verified"
    if found.get("DkimAttributes", {}).get("Status") != "SUCCESS":
        return "its mail is not signed (DKIM)"
    return None


@check(
    "mail-sandbox",
    When.SERVING,
    "Ask for production access: aws sesv2 put-account-details --production-access-enabled "
    "--mail-type TRANSACTIONAL --website-url https://{host} --region {region}",
)
def mail_sandbox(place: Place) -> str | None:
    found = place.client("sesv2").get_account()
    if not found.get("ProductionAccessEnabled"):
        return "mail reaches verified addresses alone"
    return None if found.get("SendingEnabled") else "sending is switched off for this account"


@check(
    "mail-quota",
    When.SERVING,
    "Ask for more: aws service-quotas request-service-quota-increase --service-code ses "
    "--quota-code L-804C8AE8 --desired-value 50000 --region {region}",
)
def mail_quota(place: Place) -> str | None:
    most = place.client("sesv2").get_account().get("SendQuota", {}).get("Max24HourSend", 0)
    return None if most >= MAIL_A_DAY else f"{most:.0f} mails a day, at least {MAIL_A_DAY} wanted"


@check(
    "mail-exchanger",
    When.SERVING,
    "Put into the zone: {mail_domain} MX 10 inbound-smtp.{region}.amazonaws.com",
)
def mail_exchanger(place: Place) -> str | None:
    wanted = f"inbound-smtp.{place.deployment.region}.amazonaws.com"
    found = place.names(place.deployment.mail_domain, "MX")
    if any(answer.split()[-1].rstrip(".") == wanted for answer in found):
        return None
    return f"mail for {place.deployment.mail_domain} does not come to {wanted}"


@check(
    "mail-policy",
    When.SERVING,
    'Put into the zone: _dmarc.{mail_domain} TXT "v=DMARC1; p=quarantine"',
)
def mail_policy(place: Place) -> str | None:
    found = place.names(f"_dmarc.{place.deployment.mail_domain}", "TXT")
    said = any(answer.strip('"').startswith("v=dmarc1") for answer in found)
    return None if said else "receivers are not told what to do with forged mail (DMARC)"


@check(
    "mail-rules",
    When.SERVING,
    "aws ses set-active-receipt-rule-set --rule-set-name {stack} --region {region} "
    "(one for each account and region).",
)
def mail_rules(place: Place) -> str | None:
    found = place.client("ses").describe_active_receipt_rule_set().get("Metadata") or {}
    name = found.get("Name")
    if name == place.deployment.stack:
        return None
    return f"the active receipt rules are {name}" if name else "no receipt rules are active"


@check(
    "alarms", When.SERVING, "Confirm the subscription: the link is in the mail to {alarm_email}."
)
def alarms(place: Place) -> str | None:
    return _unheard(place.client("sns"), place.resource("AlarmTopic"))


@check(
    "edge-alarms",
    When.SERVING,
    "Confirm the subscription of us-east-1: the link is in another mail to {alarm_email}.",
)
def edge_alarms(place: Place) -> str | None:
    """Of the front door, where there is one: whether there is has its own check."""
    if not place.fronted:
        return None
    return _unheard(place.client("sns", edge.REGION), place.edge_resource("EdgeAlarmTopic"))


@check(
    "backups",
    When.SERVING,
    "aws dynamodb update-continuous-backups --point-in-time-recovery-specification "
    "PointInTimeRecoveryEnabled=true for accounts and usage, and false for keys.",
)
def backups(place: Place) -> str | None:
    """Accounts and usage can be brought back to any moment; the grants never can (G10)."""
    for output, wanted in (
        ("AccountsTableName", "ENABLED"),
        ("UsageTableName", "ENABLED"),
        ("KeysTableName", "DISABLED"),
    ):
        found = place.client("dynamodb").describe_continuous_backups(
            TableName=place.output(output)
        )["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        if found["PointInTimeRecoveryStatus"] != wanted:
            return (
                f"point-in-time recovery of {output.removesuffix('Name')} is not {wanted.lower()}"
            )
    return None


@check(
    "address",
    When.SERVING,
    "Put into the zone: {host} CNAME (or alias) to the output DistributionDomain of {edge_stack}.",
)
def address(place: Place) -> str | None:
    host = place.deployment.host
    found = _addresses(place, host)
    if not found:
        return f"{host} has no address"
    if not place.fronted:
        return None
    door = place.edge_output("DistributionDomain").lower()
    named = {answer.rstrip(".") for answer in place.names(host, "CNAME")}
    # An alias is no name in the zone; it has the addresses of what it stands for.
    if door in named or found & _addresses(place, door):
        return None
    return f"{host} leads elsewhere than to {door}"


# what they ask with


def _stuck(status: str | None) -> str | None:
    return None if status in {None, *CHANGEABLE} else f"it cannot be changed: it is {status}"


def _unheard(sns: Any, topic: str) -> str | None:
    found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    confirmed = [one for one in found if one["SubscriptionArn"].startswith("arn:")]
    return None if confirmed else "nobody has confirmed to hear alarms"


def _addresses(place: Place, name: str) -> set[str]:
    return {answer for kind in ("A", "AAAA") for answer in place.names(name, kind)}


def _accounts(place: Place) -> Table:
    from chalicelib.storage.dynamo import Database, Table

    return Table(Database(place.client("dynamodb")), place.output("AccountsTableName"))


def reserved() -> int:
    """Executions that our functions keep for themselves."""
    roles = read_fragment(ROLES)["Resources"]
    return sum(throttling.reserved([name.removesuffix("Role") for name in roles]).values())


def secret_names() -> list[str]:
    """Every parameter that a role of ours may read."""
    return sorted(set(re.findall(r"parameter/cetrus/\$\{Stage\}/([a-z-]+)", ROLES.read_text())))


def _parameters(place: Place, names: list[str]) -> tuple[dict[str, Any], list[str]]:
    answer = place.client("ssm").get_parameters(Names=names, WithDecryption=True)
    return {one["Name"]: one for one in answer["Parameters"]}, answer["InvalidParameters"]


def _secret(place: Place, name: str) -> str | None:
    full = f"/cetrus/{place.deployment.stage}/{name}"
    kept, _ = _parameters(place, [full])
    return str(kept[full]["Value"]) if full in kept else None


def _covers(name: str, host: str) -> bool:
    """Whether a certificate's name covers a host; a star stands for one label."""
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


def _version(version: tuple[int, ...]) -> str:
    return "Python " + ".".join(map(str, version))
