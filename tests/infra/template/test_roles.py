"""What each function may do: one role each, and nothing that its code has no use for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.privacy.rules import Purpose
from tests.infra.template.evaluator import owners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.infra.template.evaluator import Role, Template

    type_of_question = Callable[[Role], bool]

FUNCTIONS = {
    "APIHandler",
    "MailSender",
    "MailFeedback",
    "MailPlanner",
    "PolicyNotices",
    "MailSweep",
    "MailingPlanner",
    "CampaignSweep",
    "PaymentWorker",
    "PaymentSweep",
    "RenewalSweep",
    "LicenseSweep",
    "AccountSweep",
    "ErasureSweep",
    "EventLog",
    "PartnerReport",
    "VisitRollup",
    "VisitSweep",
    "CaseSweep",
    "StaffReminders",
    "InboundMail",
    "LedgerHeads",
    "PrivacyCheck",
}
FULFILLERS = {"PaymentWorker", "PaymentSweep"}
SIGNERS = {"LedgerHeads", "PrivacyCheck"}
"""Who signs what we state in public; the operator's command publishes the tests' results."""
SENDERS = {"MailSender", "MailSweep", "CampaignSweep"}
MAILERS = SENDERS | {"MailFeedback"}
WRITERS = {"InboundMail", "CaseSweep", "StaffReminders", "PolicyNotices"}
CHARGERS = FULFILLERS | {"RenewalSweep"}
HASHERS = {"APIHandler", "InboundMail", "CaseSweep", "ErasureSweep"}
ENDERS = {"AccountSweep", "ErasureSweep"}
READERS = (
    MAILERS | ENDERS | CHARGERS | {"InboundMail", "MailPlanner", "MailingPlanner", "PolicyNotices"}
)
"""Who may read a whole row of an account's; the nightly check may not."""
LICENSERS = CHARGERS | {"LicenseSweep", "EventLog", "ErasureSweep"}
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/cetrus/prod"
ITEM_ACTIONS = (
    "GetItem",
    "BatchGetItem",
    "Query",
    "Scan",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "ConditionCheckItem",
)
PURPOSES = tuple(Purpose)


def may(role: Role, action: str, key: str, purpose: str) -> bool:
    """Whether it may do this with the data keys of a purpose."""
    return role.may(f"kms:{action}", key, kms__EncryptionContext__purpose=purpose)


@pytest.fixture(scope="session")
def who(by_function: Mapping[str, Role]) -> Callable[[type_of_question], set[str]]:
    """Names the functions for whose role the question is answered by yes."""

    def answered(question: Callable[[Role], bool]) -> set[str]:
        return {function for function, role in by_function.items() if question(role)}

    return answered


class TestEveryRole:
    def test_every_function_has_a_role_of_its_own(self, template: Template) -> None:
        given = dict(owners(template))
        assert given.keys() == FUNCTIONS
        assert len(set(given.values())) == len(given)

    def test_no_role_holds_a_wildcard_action_or_resource(
        self, by_function: Mapping[str, Role]
    ) -> None:
        for role in by_function.values():
            for statement in role.statements:
                assert not [action for action in statement.actions if "*" in action], role.name
                assert "*" not in statement.resources, role.name

    def test_a_trailing_wildcard_covers_objects_or_log_streams_of_one_owner(
        self, by_function: Mapping[str, Role]
    ) -> None:
        for function, role in by_function.items():
            starred = {r for s in role.statements for r in s.resources if "*" in r}
            for resource in starred:
                assert resource.endswith("*")
                assert resource.count("*") == 1
                own_log = f":log-group:/aws/lambda/cetrus-{function}-" in resource
                assert own_log or resource.startswith("arn:aws:s3:::"), resource

    def test_no_role_has_a_managed_policy(self, template: Template) -> None:
        held = template.of_type("AWS::IAM::Role")
        assert not [role for _, role in owners(template) if held[role].get("ManagedPolicyArns")]

    def test_only_lambda_may_take_a_function_role(self, template: Template) -> None:
        held = template.of_type("AWS::IAM::Role")
        for _, role in owners(template):
            (trust,) = held[role]["AssumeRolePolicyDocument"]["Statement"]
            assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}

    def test_each_function_writes_its_own_log_and_no_other(
        self, by_function: Mapping[str, Role]
    ) -> None:
        group = (
            "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/cetrus-{}-1A2B:log-stream:s"
        )
        for function, role in by_function.items():
            written = {f for f in FUNCTIONS if role.may("logs:PutLogEvents", group.format(f))}
            assert written == {function}


class TestTables:
    @pytest.mark.parametrize("table", ["AccountsTable", "UsageTable", "KeysTable"])
    def test_nobody_scans_or_administers_a_table(
        self, table: str, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn = template.arn(table)
        for action in ("Scan", "DeleteTable", "UpdateTable", "CreateBackup", "PartiQLSelect"):
            assert who(lambda role, action=action: role.may(f"dynamodb:{action}", arn)) == set()

    @pytest.mark.guarantee("G9")
    @pytest.mark.promise("PS-29")
    @pytest.mark.parametrize("partition", ["VISITS#2026-11#0", "VISITS#HOURS#2026-11-25"])
    def test_visits_are_written_by_the_roll_up_and_ended_by_the_sweep(
        self, partition: str, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn = template.arn("UsageTable")
        allowed = {
            "Query": {"APIHandler", "VisitRollup", "VisitSweep"},
            "UpdateItem": {"VisitRollup"},
            "DeleteItem": {"VisitSweep"},
        }
        for action in ITEM_ACTIONS:
            found = who(
                lambda r, a=f"dynamodb:{action}": r.may(a, arn, dynamodb__LeadingKeys=[partition])
            )
            assert found == allowed.get(action, set()), action

    @pytest.mark.guarantee("G9")
    @pytest.mark.promise("PS-29")
    def test_no_transaction_holds_visits_and_anything_else(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        keys = ["LICENSE#lic_1", "VISITS#2026-11#0"]
        for action in set(ITEM_ACTIONS) - {"Query"}:
            found = who(
                lambda r, a=f"dynamodb:{action}": r.may(
                    a, template.arn("UsageTable"), dynamodb__LeadingKeys=keys
                )
            )
            assert found == set(), action

    @pytest.mark.guarantee("G9")
    @pytest.mark.promise("PS-29")
    def test_one_function_reads_raw_visitor_logs_and_reaches_nothing_about_a_person(
        self, template: Template, by_function: Mapping[str, Role], who: Callable[..., set[str]]
    ) -> None:
        file = f"{template.arn('VisitorLogsBucket')}/visits/2026/11/25/14/a.json.gz"
        assert who(lambda role: role.may("s3:GetObject", file)) == {"VisitRollup"}
        assert who(lambda role: role.may("kms:Decrypt", template.arn("VisitorLogsKey"))) == (
            {"VisitRollup"}
        )
        assert who(lambda role: role.may("s3:DeleteObject", file)) == {"VisitRollup", "VisitSweep"}
        assert who(lambda role: role.may("s3:PutObject", file)) == set()
        reader = by_function["VisitRollup"]
        for action in ITEM_ACTIONS:
            for table in ("AccountsTable", "KeysTable"):
                assert not reader.may(f"dynamodb:{action}", template.arn(table)), action
            other = reader.may(
                f"dynamodb:{action}",
                template.arn("UsageTable"),
                dynamodb__LeadingKeys=["SESSION#1"],
            )
            assert not other, action

    @pytest.mark.guarantee("G10")
    @pytest.mark.parametrize(
        ("key", "readers", "writers", "enders"),
        [
            (
                "SUBJECT#sub_1",
                {"APIHandler", "ErasureSweep", "RenewalSweep"} | SENDERS,
                {"APIHandler", "InboundMail"},
                {"APIHandler"} | ENDERS,
            ),
            (
                "HELD#sub_1",
                {"APIHandler", "ErasureSweep"} | SENDERS,
                {"APIHandler"},
                {"APIHandler"} | ENDERS,
            ),
            (
                "RESTS",
                {"APIHandler", "ErasureSweep"} | SENDERS,
                {"APIHandler"},
                {"APIHandler", "ErasureSweep"},
            ),
            # Without it a restore brings back whom it says was erased; with a false one, it ends
            # who was not.
            ("ERASED", SENDERS, {"APIHandler", "ErasureSweep"}, set()),
            ("ELSE", SENDERS, set(), set()),
        ],
    )
    def test_a_partition_of_the_keys_is_touched_by_those_who_have_business_there(
        self,
        key: str,
        readers: set[str],
        writers: set[str],
        enders: set[str],
        template: Template,
        who: Callable[..., set[str]],
    ) -> None:
        arn, keys = template.arn("KeysTable"), {"dynamodb__LeadingKeys": [key]}
        allowed = {"GetItem": readers, "PutItem": writers, "DeleteItem": enders}
        for action in {*ITEM_ACTIONS} - {"Query", "ConditionCheckItem"}:
            found = who(lambda role, a=f"dynamodb:{action}": role.may(a, arn, **keys))
            assert found == allowed.get(action, set()), action

    @pytest.mark.guarantee("G10")
    def test_no_transaction_ends_keys_and_what_says_who_was_erased(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        keys = {"dynamodb__LeadingKeys": ["SUBJECT#sub_1", "ERASED"]}
        arn = template.arn("KeysTable")
        assert who(lambda role: role.may("dynamodb:DeleteItem", arn, **keys)) == set()

    @pytest.mark.guarantee("G8")
    def test_whoever_opens_or_tells_may_check_that_the_grant_still_stands(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn, keys = template.arn("KeysTable"), {"dynamodb__LeadingKeys": ["SUBJECT#sub_1"]}
        checkers = who(lambda role: role.may("dynamodb:ConditionCheckItem", arn, **keys))
        assert checkers == {"APIHandler", "ErasureSweep", "RenewalSweep"} | SENDERS

    @pytest.mark.parametrize(
        ("table", "key", "action", "functions"),
        [
            (
                "AccountsTable",
                "ACCOUNT#acc_1",
                "UpdateItem",
                FULFILLERS | ENDERS | {"RenewalSweep"},
            ),
            ("AccountsTable", "ACCOUNT#acc_1", "DeleteItem", ENDERS),
            ("AccountsTable", "FISCAL#acc_1", "PutItem", {"ErasureSweep"}),
            ("AccountsTable", "FISCAL#acc_1", "GetItem", {"ErasureSweep"}),
            ("AccountsTable", "FISCAL#acc_1", "DeleteItem", {"ErasureSweep"}),
            ("AccountsTable", "VENDOR#vnd_1", "DeleteItem", set()),
            ("AccountsTable", "VENDOR#vnd_1", "PutItem", {"PaymentWorker", "PaymentSweep"}),
            ("AccountsTable", "APPLICATION#app_1", "GetItem", FULFILLERS),
            ("AccountsTable", "APPLICATION#app_1", "PutItem", set()),
            ("AccountsTable", "MESSAGE#msg_1", "UpdateItem", SENDERS),
            ("AccountsTable", "MAILED#mlg_1", "UpdateItem", SENDERS),
            ("AccountsTable", "CAP#acc_1", "UpdateItem", {"CampaignSweep"}),
            ("AccountsTable", "MAILING#mlg_1", "UpdateItem", {"MailingPlanner"}),
            ("AccountsTable", "MAILING#mlg_1", "PutItem", set()),
            ("AccountsTable", "MAILING#mlg_1", "GetItem", SENDERS | {"MailingPlanner"}),
            ("AccountsTable", "SCREENS#app_1", "PutItem", set()),
            (
                "AccountsTable",
                "LEDGER#sub_1",
                "PutItem",
                SENDERS | ENDERS | {"PolicyNotices", "InboundMail", "RenewalSweep"},
            ),
            ("AccountsTable", "LEDGER#sub_1", "DeleteItem", set()),
            ("AccountsTable", "RECIPIENT#processor", "PutItem", set()),
            ("AccountsTable", "RECIPIENT#processor", "GetItem", {"RenewalSweep"}),
            (
                "AccountsTable",
                "SUBJECT#sub_1",
                "GetItem",
                SENDERS | ENDERS,
            ),
            ("AccountsTable", "EMAIL#1", "DeleteItem", ENDERS),
            ("AccountsTable", "CASE#cas_1", "PutItem", {"InboundMail"}),
            ("AccountsTable", "CASE#cas_1", "UpdateItem", {"CaseSweep"}),
            ("AccountsTable", "STAFF#stf_1", "PutItem", set()),
            ("AccountsTable", "STAFF#stf_1", "UpdateItem", set()),
            ("UsageTable", "RATE#case#1", "UpdateItem", {"InboundMail", "CaseSweep"}),
            ("UsageTable", "LINK#1", "PutItem", {"InboundMail"}),
            ("UsageTable", "TIMES#2026-11-25", "PutItem", {"ErasureSweep", "InboundMail"}),
            ("UsageTable", "TIMES#2026-11-25", "Query", {"PrivacyCheck"}),
            ("UsageTable", "TIMES#2026-11-25", "DeleteItem", set()),
            ("UsageTable", "LOOKED#VISITS", "PutItem", {"VisitSweep"}),
            ("UsageTable", "LOOKED#VISITS", "GetItem", {"VisitSweep", "PrivacyCheck"}),
            ("AccountsTable", "ACCOUNT#acc_1", "GetItem", READERS),
            ("AccountsTable", "SUPPRESSION#1", "PutItem", {"InboundMail", "MailFeedback"}),
            ("AccountsTable", "SUPPRESSION#1", "DeleteItem", set()),
            ("AccountsTable", "UNSUBSCRIBE#1", "PutItem", SENDERS),
            ("AccountsTable", "UNSUBSCRIBE#1", "GetItem", {"InboundMail"}),
            ("AccountsTable", "UNSUBSCRIBE#1", "UpdateItem", {"ErasureSweep"}),
            ("AccountsTable", "UNSUBSCRIBE#1", "DeleteItem", set()),
            ("AccountsTable", "NOTICES#acc_1", "UpdateItem", {"InboundMail", "MailFeedback"}),
            ("AccountsTable", "AGENDA#acc_1", "UpdateItem", {"MailPlanner"}),
            ("AccountsTable", "CURSOR#mail_planner", "PutItem", {"MailPlanner", "PaymentSweep"}),
            ("AccountsTable", "POLICY", "UpdateItem", {"PolicyNotices"}),
            ("AccountsTable", "POLICY", "PutItem", set()),
            ("AccountsTable", "SIGNING", "Query", set()),
            ("UsageTable", "LICENSE#lic_1", "PutItem", LICENSERS),
            ("AccountsTable", "BOOKS#2026-11", "PutItem", CHARGERS),
            ("AccountsTable", "BOOKS#2026-11", "UpdateItem", set()),
            ("AccountsTable", "BOOKS#2026-11", "DeleteItem", set()),
            ("AccountsTable", "PAYMENT#pi_1", "PutItem", CHARGERS),
            ("UsageTable", "LICENSE#lic_1", "UpdateItem", LICENSERS),
            ("UsageTable", "SESSION#1", "GetItem", set()),
            ("UsageTable", "SESSION#1", "PutItem", set()),
        ],
    )
    def test_a_partition_is_touched_by_those_who_have_business_there(
        self,
        table: str,
        key: str,
        action: str,
        functions: set[str],
        template: Template,
        who: Callable[..., set[str]],
    ) -> None:
        arn, action = template.arn(table), f"dynamodb:{action}"
        allowed = who(lambda role: role.may(action, arn, dynamodb__LeadingKeys=key))
        assert allowed - {"APIHandler"} == functions

    def test_the_planner_writes_to_nobody_and_about_nobody(
        self, template: Template, by_function: Mapping[str, Role]
    ) -> None:
        planner, accounts = by_function["MailPlanner"], template.arn("AccountsTable")
        keys, usage = template.arn("KeysTable"), template.arn("UsageTable")
        for action in ("PutItem", "UpdateItem", "DeleteItem"):
            for key in ("ACCOUNT#acc_1", "SUBJECT#sub_1", "LEDGER#sub_1", "LICENSE#lic_1"):
                for table in (accounts, usage):
                    assert not planner.may(f"dynamodb:{action}", table, dynamodb__LeadingKeys=key)
        assert not [a for a in ITEM_ACTIONS if planner.may(f"dynamodb:{a}", keys)]
        sealed = {"dynamodb__LeadingKeys": "SUBJECT#sub_1"}
        assert not planner.may("dynamodb:GetItem", accounts, **sealed)

    @pytest.mark.promise("PS-83")
    def test_who_tells_of_a_policy_opens_nothing_and_changes_no_account(
        self, template: Template, by_function: Mapping[str, Role]
    ) -> None:
        teller, accounts = by_function["PolicyNotices"], template.arn("AccountsTable")
        for purpose in PURPOSES:
            for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                context = {"kms__EncryptionContext__purpose": purpose}
                assert not teller.may(action, template.arn("VaultKey"), **context)
        for action in ("PutItem", "UpdateItem", "DeleteItem"):
            for key in ("ACCOUNT#acc_1", "SUBJECT#sub_1", "STAFF#stf_1"):
                assert not teller.may(f"dynamodb:{action}", accounts, dynamodb__LeadingKeys=key)
        keys = template.arn("KeysTable")
        assert [a for a in ITEM_ACTIONS if teller.may(f"dynamodb:{a}", keys)] == ["Query"]
        sealed = {"dynamodb__LeadingKeys": "SUBJECT#sub_1"}
        assert not teller.may("dynamodb:GetItem", accounts, **sealed)

    @pytest.mark.promise("PS-36")
    def test_whoever_writes_mailings_reaches_no_usage_and_opens_nothing(
        self, template: Template, by_function: Mapping[str, Role]
    ) -> None:
        for name in ("MailingPlanner", "CampaignSweep"):
            role, usage = by_function[name], template.arn("UsageTable")
            assert not [a for a in ITEM_ACTIONS if role.may(f"dynamodb:{a}", usage)], name
            assert not role.may("dynamodb:Query", f"{usage}/index/heads"), name
        planner, key = by_function["MailingPlanner"], template.arn("VaultKey")
        for purpose in PURPOSES:
            opened = {"kms__EncryptionContext__purpose": purpose}
            assert not planner.may("kms:Decrypt", key, **opened), purpose
        accounts = template.arn("AccountsTable")
        assert not planner.may("dynamodb:GetItem", accounts, dynamodb__LeadingKeys="SUBJECT#sub_1")

    def test_the_license_sweep_never_sees_the_accounts(
        self, template: Template, by_function: Mapping[str, Role]
    ) -> None:
        sweep, accounts = by_function["LicenseSweep"], template.arn("AccountsTable")
        assert not [a for a in ITEM_ACTIONS if sweep.may(f"dynamodb:{a}", accounts)]

    @pytest.mark.promise("PS-45")
    def test_the_heads_are_made_by_one_function_that_sees_the_ledger_alone(
        self, template: Template, by_function: Mapping[str, Role], who: Callable[..., set[str]]
    ) -> None:
        head, key = (
            f"{template.arn('HeadsBucket')}/heads/0000000001.json",
            template.arn("LedgerKey"),
        )
        assert who(lambda role: role.may("s3:PutObject", head)) == {"LedgerHeads"}
        for action in ("DeleteObject", "DeleteObjectVersion", "PutObjectRetention"):
            assert who(lambda role, a=f"s3:{action}": role.may(a, head)) == set(), action
        assert who(lambda role: role.may("kms:Sign", key)) == SIGNERS
        maker, accounts = by_function["LedgerHeads"], template.arn("AccountsTable")
        for action in ITEM_ACTIONS:
            assert not maker.may(f"dynamodb:{action}", template.arn("KeysTable")), action
            for partition in ("SUBJECT#sub_1", "ACCOUNT#acc_1", "EMAIL#1"):
                asked = {"dynamodb__LeadingKeys": partition}
                assert not maker.may(f"dynamodb:{action}", accounts, **asked), action
        row = {"dynamodb__LeadingKeys": "LEDGER#sub_1"}
        assert not [
            a
            for a in ("Put", "Update", "Delete")
            if maker.may(f"dynamodb:{a}Item", accounts, **row)
        ]

    @pytest.mark.promise("PS-45")
    def test_the_nightly_check_opens_nothing_and_writes_nothing_but_its_result(
        self, template: Template, by_function: Mapping[str, Role]
    ) -> None:
        check, accounts = by_function["PrivacyCheck"], template.arn("AccountsTable")
        for key in ("VaultKey", "SigningKey", "VisitorLogsKey"):
            assert not check.may("kms:Decrypt", template.arn(key))
        asked = {"kms__EncryptionContext__purpose": "account"}
        assert not check.may("kms:Decrypt", template.arn("VaultKey"), **asked)
        for action in ("PutItem", "UpdateItem", "DeleteItem"):
            for table in ("AccountsTable", "UsageTable", "KeysTable"):
                assert not check.may(f"dynamodb:{action}", template.arn(table)), action
        sealed = {"dynamodb__LeadingKeys": "SUBJECT#sub_1"}
        assert not [a for a in ITEM_ACTIONS if check.may(f"dynamodb:{a}", accounts, **sealed)]
        raw = f"{template.arn('VisitorLogsBucket')}/visits/2026/11/25/14/a.json.gz"
        assert not check.may("s3:GetObject", raw)
        message = {"dynamodb__LeadingKeys": "MESSAGE#msg_1"}
        assert not [a for a in ITEM_ACTIONS if check.may(f"dynamodb:{a}", accounts, **message)]

    @pytest.mark.promise("PS-45")
    @pytest.mark.parametrize(
        ("asked", "select", "may"),
        [
            (["pk", "sk", "due"], "SPECIFIC_ATTRIBUTES", True),
            (["pk", "sk", "due", "asked_at"], "SPECIFIC_ATTRIBUTES", False),
            (["pk", "sk", "email_claim"], "SPECIFIC_ATTRIBUTES", False),
            (["pk", "sk"], "ALL_ATTRIBUTES", False),
            (["pk", "sk", "due"], None, False),
        ],
    )
    def test_of_an_account_the_nightly_check_sees_since_when_it_waits_and_nothing_else(
        self,
        asked: list[str],
        select: str | None,
        may: bool,
        template: Template,
        by_function: Mapping[str, Role],
    ) -> None:
        context: dict[str, str | list[str]] = {
            "dynamodb__LeadingKeys": "ACCOUNT#acc_1", "dynamodb__Attributes": asked,
        }  # fmt: skip
        if select:
            context["dynamodb__Select"] = select
        arn, check = template.arn("AccountsTable"), by_function["PrivacyCheck"]
        assert check.may("dynamodb:GetItem", arn, **context) is may
        for action in set(ITEM_ACTIONS) - {"GetItem"}:
            assert not check.may(f"dynamodb:{action}", arn, **context), action


class TestKeys:
    @pytest.mark.guarantee("G8")
    def test_a_purpose_is_opened_by_those_who_act_for_it(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn = template.arn("VaultKey")
        openers = {p: who(lambda r, p=p: may(r, "Decrypt", arn, p)) for p in PURPOSES}
        assert openers == {
            "account": {"APIHandler", "MailSender", "MailSweep"},
            "billing": {"APIHandler", "ErasureSweep"},
            "computers": {"APIHandler"},
            "invitation": {"APIHandler", "MailSender", "MailSweep"},
            "marketing": {"CampaignSweep"},
            "partner_mail": {"CampaignSweep"},
            "surveys": {"CampaignSweep"},
            "policy_notice": {"APIHandler", "MailSender", "MailSweep"},
            "support": {"MailSender", "MailSweep"},
            "staff": {"MailSender", "MailSweep"},
            "fiscal": set(),
        }

    @pytest.mark.guarantee("G8")
    def test_a_purpose_is_sealed_by_those_who_collect_for_it(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn = template.arn("VaultKey")
        sealers = {p: who(lambda r, p=p: may(r, "GenerateDataKey", arn, p)) for p in PURPOSES}
        assert sealers == {p: {"APIHandler"} for p in PURPOSES} | {
            Purpose.SUPPORT: {"APIHandler", "InboundMail"},
            Purpose.FISCAL: {"APIHandler", "ErasureSweep"},
            Purpose.STAFF: set(),  # the operator's command alone
        }

    @pytest.mark.guarantee("G8")
    def test_no_key_of_a_person_is_made_or_opened_without_a_purpose_that_is_named(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn = template.arn("VaultKey")
        for action in ("Decrypt", "GenerateDataKey"):
            assert who(lambda r, a=action: may(r, a, arn, "any")) == set()
            assert who(lambda r, a=action: r.may(f"kms:{a}", arn)) == set()

    @pytest.mark.promise("PS-70")
    def test_what_the_law_keeps_is_sealed_on_leaving_and_opened_by_no_function(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn, fiscal = template.arn("VaultKey"), {"kms__EncryptionContext__purpose": "fiscal"}
        sealers = {"APIHandler", "ErasureSweep"}
        assert who(lambda role: role.may("kms:GenerateDataKey", arn, **fiscal)) == sealers
        assert who(lambda role: role.may("kms:Decrypt", arn, **fiscal)) == set()

    @pytest.mark.guarantee("G8")
    def test_nobody_opens_or_seals_without_a_purpose(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn = template.arn("VaultKey")
        for action in ("kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt"):
            assert who(lambda role, action=action: role.may(action, arn)) == set()

    def test_only_the_routes_seal(self, template: Template, who: Callable[..., set[str]]) -> None:
        arn = template.arn("VaultKey")
        sealers = who(
            lambda r: r.may("kms:GenerateDataKey", arn, kms__EncryptionContext__purpose="account")
        )
        assert sealers == {"APIHandler"}
        of_whom_to_answer = who(
            lambda r: r.may("kms:GenerateDataKey", arn, kms__EncryptionContext__purpose="support")
        )
        assert of_whom_to_answer == {"APIHandler", "InboundMail"}

    def test_only_the_routes_can_sign_leases(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn = template.arn("SigningKey")
        signers = who(lambda r: r.may("kms:Decrypt", arn, kms__EncryptionContext__use="lease"))
        assert signers == {"APIHandler"}
        others = who(lambda r: r.may("kms:Decrypt", arn, kms__EncryptionContext__use="other"))
        assert others == set()
        assert who(lambda role: role.may("kms:Decrypt", arn)) == set()

    def test_nobody_administers_a_key(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        for key in template.of_type("AWS::KMS::Key"):
            for action in ("kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:DisableKey"):
                arn = template.arn(key)
                assert who(lambda role, a=action, r=arn: role.may(a, r)) == set()

    def test_the_key_of_the_visitor_logs_is_used_by_the_roll_up_alone(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        arn = template.arn("VisitorLogsKey")
        assert who(lambda role: role.may("kms:Decrypt", arn)) == {"VisitRollup"}
        assert who(lambda role: role.may("kms:GenerateDataKey", arn)) == set()


class TestSecrets:
    @pytest.mark.parametrize(
        ("secret", "readers"),
        [
            ("hash-key", HASHERS | MAILERS | FULFILLERS),
            # Whoever has it could open any account by the link of a password reset.
            ("link-key", {"APIHandler", "MailSender", "MailSweep", "InboundMail"}),
            ("processor-checkout-key", {"APIHandler"}),
            ("processor-worker-key", CHARGERS | {"ErasureSweep"}),
            ("webhook-secrets", {"APIHandler"}),
            ("any-other", set()),
        ],
    )
    def test_a_secret_is_read_by_those_who_need_it(
        self, secret: str, readers: set[str], who: Callable[..., set[str]]
    ) -> None:
        assert who(lambda role: role.may("ssm:GetParameter", f"{PARAMETER}/{secret}")) == readers

    def test_nobody_lists_or_writes_secrets(self, who: Callable[..., set[str]]) -> None:
        for action in ("GetParametersByPath", "GetParameters", "PutParameter", "DeleteParameter"):
            assert who(lambda r, a=f"ssm:{action}": r.may(a, f"{PARAMETER}/hash-key")) == set()


class TestMail:
    IDENTITY = "arn:aws:ses:eu-west-1:123456789012:identity/cetrus.test"

    def test_only_the_mailers_send_and_only_as_us(self, who: Callable[..., set[str]]) -> None:
        for action in ("ses:SendRawEmail", "ses:SendEmail"):
            ours = who(
                lambda r, a=action: r.may(a, self.IDENTITY, ses__FromAddress="support@cetrus.test")
            )
            assert ours == SENDERS
            others = who(
                lambda r, a=action: r.may(a, self.IDENTITY, ses__FromAddress="else@cetrus.test")
            )
            assert others == set()

    def test_inbound_mail_is_taken_from_its_prefix_by_one(
        self, who: Callable[..., set[str]]
    ) -> None:
        bucket = "arn:aws:s3:::cetrus-mail-prod-123456789012-eu-west-1"
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            assert who(lambda r, a=action: r.may(a, f"{bucket}/in/m1")) == {"InboundMail"}
            assert who(lambda r, a=action: r.may(a, f"{bucket}/else")) == set()


class TestQueuesAndBuckets:
    @pytest.mark.parametrize(
        ("queue", "senders", "receivers"),
        [
            ("MailQueue", {"APIHandler", "ErasureSweep"} | CHARGERS | WRITERS, {"MailSender"}),
            ("PaymentsQueue", {"APIHandler"}, {"PaymentWorker"}),
            ("MailDlq", set(), set()),
            ("PaymentsDlq", set(), set()),
        ],
    )
    def test_a_queue_has_its_senders_and_one_receiver(
        self,
        queue: str,
        senders: set[str],
        receivers: set[str],
        template: Template,
        who: Callable[..., set[str]],
    ) -> None:
        arn = template.arn(queue)
        assert who(lambda role: role.may("sqs:SendMessage", arn)) == senders
        for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
            assert who(lambda role, action=action: role.may(action, arn)) == receivers
        assert who(lambda role: role.may("sqs:PurgeQueue", arn)) == set()

    def test_installers_are_read_by_the_routes_and_written_by_no_function(
        self, template: Template, who: Callable[..., set[str]]
    ) -> None:
        one = template.arn("InstallersBucket") + "/app/1.0/setup.bin"
        assert who(lambda role: role.may("s3:GetObject", one)) == {"APIHandler"}
        for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"):
            assert who(lambda role, action=action: role.may(action, one)) == set()
