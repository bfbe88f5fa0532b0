"""What the template makes: each promise about storage, transport, front door, logs and alarms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.package import ROOT

if TYPE_CHECKING:
    from infra.package import Artifact
    from tests.infra.template.evaluator import Template

TABLES = ("AccountsTable", "UsageTable", "KeysTable")
BUCKETS = (
    "InstallersBucket", "VisitorLogsBucket", "LogsBucket", "MailBucket", "HeadsBucket",
    "ProofBucket",
)  # fmt: skip


class TestLint:
    def test_cfn_lint_finds_nothing_in_the_template_or_its_translation(
        self, artifact: Artifact
    ) -> None:
        files = [str(artifact.sam), str(artifact.cfn)]
        linter = str(Path(sys.executable).with_name("cfn-lint"))
        command = [linter, "--regions", "eu-west-1", "-t", *files]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")


class TestTables:
    @pytest.mark.parametrize("table", TABLES)
    @pytest.mark.promise("PS-45")
    def test_a_table_outlives_mistakes(self, table: str, template: Template) -> None:
        resource = template.raw["Resources"][table]
        assert resource["Properties"]["DeletionProtectionEnabled"] is True
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"

    @pytest.mark.parametrize("table", TABLES)
    def test_a_table_is_encrypted_and_paid_by_request(self, table: str, template: Template) -> None:
        properties = template.of_type("AWS::DynamoDB::Table")[table]
        assert properties["SSESpecification"]["SSEEnabled"] is True
        assert properties["BillingMode"] == "PAY_PER_REQUEST"

    @pytest.mark.parametrize("table", ["AccountsTable", "UsageTable"])
    @pytest.mark.promise("PS-45")
    def test_accounts_and_usage_are_backed_up_and_expire_by_purge_at(
        self, table: str, template: Template
    ) -> None:
        properties = template.of_type("AWS::DynamoDB::Table")[table]
        backup = properties["PointInTimeRecoverySpecification"]
        assert backup == {"PointInTimeRecoveryEnabled": True}
        assert properties["TimeToLiveSpecification"] == {
            "AttributeName": "purge_at",
            "Enabled": True,
        }

    @pytest.mark.guarantee("G10")
    def test_no_copy_of_the_grants_is_ever_made(self, template: Template) -> None:
        properties = template.of_type("AWS::DynamoDB::Table")["KeysTable"]
        copies = {
            "PointInTimeRecoverySpecification",
            "StreamSpecification",
            "KinesisStreamSpecification",
            "TimeToLiveSpecification",
            "GlobalSecondaryIndexes",
        }
        assert not copies & properties.keys()
        assert not template.of_type("AWS::DynamoDB::GlobalTable")
        assert not template.of_type("AWS::Backup::BackupSelection")

    def test_nobody_may_delete_the_grants(self, template: Template) -> None:
        properties = template.of_type("AWS::DynamoDB::Table")["KeysTable"]
        (statement,) = properties["ResourcePolicy"]["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Principal"] == "*"
        assert statement["Action"] == "dynamodb:DeleteTable"
        assert "Condition" not in statement

    @pytest.mark.parametrize("table", TABLES)
    def test_there_is_no_stream_that_nobody_reads(self, table: str, template: Template) -> None:
        assert "StreamSpecification" not in template.of_type("AWS::DynamoDB::Table")[table]

    def test_indexes_hold_keys_alone(self, template: Template) -> None:
        indexes = {
            index["IndexName"]: index["Projection"]["ProjectionType"]
            for table in template.of_type("AWS::DynamoDB::Table").values()
            for index in table.get("GlobalSecondaryIndexes", [])
        }
        assert indexes == {"gsi1": "KEYS_ONLY", "heads": "KEYS_ONLY"}


class TestKeyPolicies:
    CRYPTOGRAPHY = frozenset({"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"})

    @pytest.mark.guarantee("G8")
    @pytest.mark.parametrize(
        ("key", "condition"),
        [
            ("VaultKey", {"Null": {"kms:EncryptionContext:purpose": "true"}}),
            ("SigningKey", {"StringNotEquals": {"kms:EncryptionContext:use": "lease"}}),
        ],
    )
    def test_a_key_itself_refuses_whoever_does_not_say_what_for(
        self, key: str, condition: dict[str, Any], template: Template
    ) -> None:
        policy = template.of_type("AWS::KMS::Key")[key]["KeyPolicy"]
        (deny,) = (s for s in policy["Statement"] if s["Effect"] == "Deny")
        assert (deny["Principal"], deny["Resource"]) == ("*", "*")
        assert set(deny["Action"]) >= self.CRYPTOGRAPHY
        assert deny["Condition"] == condition


class TestBuckets:
    def test_these_are_all_buckets(self, template: Template) -> None:
        assert set(template.of_type("AWS::S3::Bucket")) == set(BUCKETS)

    @pytest.mark.parametrize("bucket", BUCKETS)
    def test_a_bucket_is_private_encrypted_and_has_one_owner(
        self, bucket: str, template: Template
    ) -> None:
        properties = template.of_type("AWS::S3::Bucket")[bucket]
        assert properties["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }
        assert properties["OwnershipControls"]["Rules"] == [
            {"ObjectOwnership": "BucketOwnerEnforced"}
        ]
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    @pytest.mark.parametrize("bucket", BUCKETS)
    @pytest.mark.promise("PS-47")
    @pytest.mark.promise("PS-46")
    def test_a_bucket_refuses_plain_transport_and_old_tls(
        self, bucket: str, template: Template
    ) -> None:
        arn = template.arn(bucket)
        denied = {
            json.dumps(statement["Condition"], sort_keys=True)
            for statement in bucket_policy(template, bucket)
            if statement["Effect"] == "Deny"
            and statement["Principal"] == "*"
            and statement["Action"] == "s3:*"
            and statement["Resource"] == [arn, f"{arn}/*"]
        }
        assert denied == {
            '{"Bool": {"aws:SecureTransport": "false"}}',
            '{"NumericLessThan": {"s3:TlsVersion": "1.2"}}',
        }

    @pytest.mark.parametrize("bucket", BUCKETS)
    def test_only_our_own_account_is_served_by_a_service(
        self, bucket: str, template: Template
    ) -> None:
        allowed = [s for s in bucket_policy(template, bucket) if s["Effect"] == "Allow"]
        services = {"VisitorLogsBucket": "delivery.logs", "MailBucket": "ses"}
        expected = [{"Service": f"{services[bucket]}.amazonaws.com"}] if bucket in services else []
        assert [s["Principal"] for s in allowed] == expected
        for statement in allowed:
            assert statement["Action"] == "s3:PutObject"
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}

    @pytest.mark.guarantee("G9")
    def test_raw_visitor_logs_have_a_key_of_their_own_and_leave_no_copy(
        self, template: Template
    ) -> None:
        properties = template.of_type("AWS::S3::Bucket")["VisitorLogsBucket"]
        (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        key = rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        assert key == template.arn("VisitorLogsKey")
        copies = {
            "VersioningConfiguration",
            "ReplicationConfiguration",
            "ObjectLockConfiguration",
            "InventoryConfigurations",
            "LoggingConfiguration",
        }
        assert not copies & properties.keys()
        assert [r["ExpirationInDays"] for r in properties["LifecycleConfiguration"]["Rules"]] == [1]


@pytest.mark.promise("PS-45")
class TestHeadsOfTheLedger:
    def test_nobody_at_all_deletes_a_head_before_its_time(
        self, template: Template, artifact: Artifact
    ) -> None:
        bucket = template.of_type("AWS::S3::Bucket")["HeadsBucket"]
        rule = bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        assert (bucket["ObjectLockEnabled"], rule["Mode"]) == (True, "COMPLIANCE")
        assert template.raw["Resources"]["HeadsBucket"]["Properties"]["ObjectLockConfiguration"][
            "Rule"
        ]["DefaultRetention"]["Days"] == {"Ref": "HeadsLockedDays"}
        assert template.raw["Parameters"]["HeadsLockedDays"]["Default"] == 400
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert "LifecycleConfiguration" not in bucket
        assert template.raw["Resources"]["HeadsBucket"]["DeletionPolicy"] == "Retain"

    def test_only_the_hourly_job_puts_a_head_and_only_where_there_is_none(
        self, template: Template
    ) -> None:
        put = {
            json.dumps(s["Condition"])
            for s in bucket_policy(template, "HeadsBucket")
            if s["Effect"] == "Deny" and s["Action"] == "s3:PutObject" and s["Principal"] == "*"
        }
        assert put == {
            '{"Null": {"s3:if-none-match": "true"}}',
            json.dumps({"ArnNotEquals": {"aws:PrincipalArn": template.arn("LedgerHeadsRole")}}),
        }

    def test_nobody_lays_anything_over_a_head(self, template: Template) -> None:
        """Compliance mode keeps a version; a marker over it, or a lifecycle, it does not forbid."""
        arn = template.arn("HeadsBucket")
        denied = [
            (action, s["Resource"], s.get("Condition"))
            for s in bucket_policy(template, "HeadsBucket")
            if s["Effect"] == "Deny" and s["Principal"] == "*"
            for action in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
        ]
        for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
            assert (action, f"{arn}/*", None) in denied
        assert ("s3:PutLifecycleConfiguration", arn, None) in denied

    def test_the_key_only_signs_and_is_kept(self, template: Template) -> None:
        key = template.of_type("AWS::KMS::Key")["LedgerKey"]
        assert (key["KeySpec"], key["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
        assert template.raw["Resources"]["LedgerKey"]["DeletionPolicy"] == "Retain"

    def test_three_hours_without_a_head_raise_an_alarm(self, template: Template) -> None:
        alarm = template.of_type("AWS::CloudWatch::Alarm")["LedgerHeadsMissingAlarm"]
        assert (alarm["MetricName"], alarm["Period"], alarm["EvaluationPeriods"]) == (
            "ledger_heads", 3600, 3,
        )  # fmt: skip
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")
        assert alarm["TreatMissingData"] == "breaching"
        assert 'count("ledger_heads"' in (ROOT / "chalicelib/privacy/heads.py").read_text()


class TestQueues:
    @pytest.mark.parametrize(
        ("queue", "dead", "function"),
        [
            ("MailQueue", "MailDlq", "MailSender"),
            ("MailFeedbackQueue", "MailFeedbackDlq", "MailFeedback"),
            ("PaymentsQueue", "PaymentsDlq", "PaymentWorker"),
        ],
    )
    def test_a_queue_is_patient_and_gives_up_after_five_tries(
        self, queue: str, dead: str, function: str, template: Template
    ) -> None:
        properties = template.of_type("AWS::SQS::Queue")[queue]
        timeout = template.of_type("AWS::Lambda::Function")[function]["Timeout"]
        assert properties["VisibilityTimeout"] >= 6 * timeout
        assert properties["RedrivePolicy"] == {
            "deadLetterTargetArn": template.arn(dead),
            "maxReceiveCount": 5,
        }

    def test_queues_are_encrypted(self, template: Template) -> None:
        queues = template.of_type("AWS::SQS::Queue")
        assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())

    def test_a_failed_message_does_not_hold_up_its_batch(self, template: Template) -> None:
        for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values():
            assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.promise("PS-68")
class TestFeedback:
    """Nobody but the mail service can say that somebody's mail came back."""

    def test_bounces_and_complaints_go_to_the_topic(self, template: Template) -> None:
        (found,) = template.of_type("AWS::SES::ConfigurationSetEventDestination").values()
        told = found["EventDestination"]
        assert told["Enabled"] is True
        assert sorted(told["MatchingEventTypes"]) == ["bounce", "complaint"]
        assert told["SnsDestination"] == {"TopicARN": "MailFeedbackTopic"}

    def test_the_mail_service_alone_may_publish_for_this_configuration_set(
        self, template: Template
    ) -> None:
        policies = template.of_type("AWS::SNS::TopicPolicy").values()
        (policy,) = (p for p in policies if p["Topics"] == ["MailFeedbackTopic"])
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "ses.amazonaws.com"}
        assert statement["Action"] == "sns:Publish"
        assert statement["Condition"]["StringEquals"] == {
            "aws:SourceAccount": "123456789012",
            "aws:SourceArn": "arn:aws:ses:eu-west-1:123456789012:configuration-set/cetrus-prod",
        }

    def test_the_queue_takes_messages_of_this_topic_alone(self, template: Template) -> None:
        (policy,) = template.of_type("AWS::SQS::QueuePolicy").values()
        assert policy["Queues"] == ["MailFeedbackQueue"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Allow"
        assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": "MailFeedbackTopic"}}

    def test_what_is_told_is_encrypted_on_its_way_and_comes_as_it_is(
        self, template: Template
    ) -> None:
        topic = template.of_type("AWS::SNS::Topic")["MailFeedbackTopic"]
        assert topic["KmsMasterKeyId"] == "MailFeedbackKey"
        (found,) = template.of_type("AWS::SNS::Subscription").values()
        assert found["RawMessageDelivery"] is True
        assert found["Endpoint"] == template.arn("MailFeedbackQueue")

    def test_our_own_table_decides_and_not_the_mail_service(self, template: Template) -> None:
        found = template.of_type("AWS::SES::ConfigurationSet")["MailConfigurationSet"]
        assert found["SuppressionOptions"] == {"SuppressedReasons": []}


class TestFunctions:
    def test_handlers_are_in_the_front_door(self, template: Template) -> None:
        functions = template.of_type("AWS::Lambda::Function")
        assert all(function["Handler"].startswith("app.") for function in functions.values())

    def test_the_runtime_is_the_interpreter_that_packaged(self, template: Template) -> None:
        functions = template.of_type("AWS::Lambda::Function")
        assert {function["Runtime"] for function in functions.values()} == {
            f"python3.{sys.version_info.minor}"
        }

    def test_the_routes_answer_before_the_gateway_gives_up(self, template: Template) -> None:
        routes = template.of_type("AWS::Lambda::Function")["APIHandler"]
        assert routes["Timeout"] < 29
        assert routes["MemorySize"] >= 1769, "argon2 wants one whole processor"

    @pytest.mark.guarantee("G9")
    def test_nothing_is_traced(self, template: Template) -> None:
        functions = template.of_type("AWS::Lambda::Function")
        assert {function["TracingConfig"]["Mode"] for function in functions.values()} == {
            "PassThrough"
        }
        for stage in template.of_type("AWS::ApiGateway::Stage").values():
            assert not stage.get("TracingEnabled")

    def test_no_event_is_logged_and_no_secret_stands_in_the_environment(
        self, template: Template
    ) -> None:
        for function in template.of_type("AWS::Lambda::Function").values():
            names = function["Environment"]["Variables"]
            assert "POWERTOOLS_LOGGER_LOG_EVENT" not in names
            assert not [n for n in names if "SECRET" in n and n != "SECRETS_PREFIX"]
            assert not [n for n in names if n.endswith(("_TOKEN", "PASSWORD"))]

    def test_every_setting_is_in_the_environment(self, template: Template) -> None:
        from dataclasses import fields

        from chalicelib.settings import Settings

        wanted = {field.name.upper() for field in fields(Settings)}
        for function in template.of_type("AWS::Lambda::Function").values():
            assert wanted <= function["Environment"]["Variables"].keys()

    def test_schedules_are_as_the_runbook_says(self, template: Template) -> None:
        rules = template.of_type("AWS::Events::Rule")
        assert {rule["ScheduleExpression"] for rule in rules.values()} == {
            "rate(1 minute)",
            "rate(5 minutes)",
            "rate(15 minutes)",
            "rate(1 hour)",
            "rate(1 day)",
            "cron(30 2 * * ? *)",
        }


class TestFrontDoor:
    def test_the_gateway_takes_tls_1_2_or_newer(self, template: Template) -> None:
        (api,) = template.of_type("AWS::ApiGateway::RestApi").values()
        assert api["SecurityPolicy"] == "SecurityPolicy_TLS13_1_2_2021_06"
        assert api["EndpointConfiguration"]["Types"] == ["REGIONAL"]

    @pytest.mark.guarantee("G9")
    def test_the_access_log_names_nobody(self, template: Template) -> None:
        (stage,) = template.of_type("AWS::ApiGateway::Stage").values()
        line = stage["AccessLogSetting"]["Format"]
        used = {word.strip('",}') for word in line.split() if "$context" in word}
        assert used == {
            "$context.requestTimeEpoch",
            "$context.httpMethod",
            "$context.resourcePath",
            "$context.status",
            "$context.responseLatency",
            "$context.responseLength",
            "$context.error.responseType",
        }

    def test_the_stage_is_throttled_and_logs_no_bodies(self, template: Template) -> None:
        (stage,) = template.of_type("AWS::ApiGateway::Stage").values()
        methods = stage["MethodSettings"]
        assert (methods[0]["HttpMethod"], methods[0]["ResourcePath"]) == ("*", "/*")
        for method in methods:
            assert 0 < method["ThrottlingRateLimit"] <= method["ThrottlingBurstLimit"]
            assert method["LoggingLevel"] == "OFF"
            assert method["DataTraceEnabled"] is False

    def test_no_binary_type_takes_everything(self, template: Template) -> None:
        (api,) = template.of_type("AWS::ApiGateway::RestApi").values()
        assert "*/*" not in api["Body"]["x-amazon-apigateway-binary-media-types"]


def gateway_responses(template: Template) -> dict[str, Any]:
    (api,) = template.of_type("AWS::ApiGateway::RestApi").values()
    found: dict[str, Any] = api["Body"]["x-amazon-apigateway-gateway-responses"]
    return found


class TestGatewayResponses:
    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("MISSING_AUTHENTICATION_TOKEN", 404),
            ("REQUEST_TOO_LARGE", 413),
            ("THROTTLED", 429),
            ("INTEGRATION_TIMEOUT", 504),
            ("DEFAULT_4XX", 400),
            ("DEFAULT_5XX", 502),
        ],
    )
    def test_programs_get_a_problem_and_people_a_page(
        self, kind: str, status: int, template: Template
    ) -> None:
        answer = gateway_responses(template)[kind]
        assert int(answer["statusCode"]) == status
        problem = json.loads(answer["responseTemplates"]["application/problem+json"])
        assert problem["status"] == status
        assert problem.keys() == {"type", "title", "status", "detail", "code"}
        assert problem["type"].startswith("https://cetrus.test/")
        page = answer["responseTemplates"]["text/html"]
        words = "The address may be mistyped" if status == 404 else problem["detail"]
        assert words in page
        for place in ("/", "/apps", "/account", "/status", "/contact"):
            assert f'href="https://cetrus.test{place}"' in page

    def test_an_unknown_page_is_not_called_a_call(self, template: Template) -> None:
        templates = gateway_responses(template)["MISSING_AUTHENTICATION_TOKEN"]["responseTemplates"]
        assert "<h1>There is no page at this address</h1>" in templates["text/html"]
        assert "method" not in templates["text/html"]
        assert "No call has this" in json.loads(templates["application/problem+json"])["detail"]

    def test_every_answer_carries_the_security_headers(self, template: Template) -> None:
        for kind, answer in gateway_responses(template).items():
            headers = {
                name.removeprefix("gatewayresponse.header."): value.removeprefix("'")[:-1]
                for name, value in answer["responseParameters"].items()
            }
            assert "max-age=31536000" in headers["Strict-Transport-Security"], kind
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "origin"
            assert headers["Content-Security-Policy"].startswith("default-src 'none';")

    def test_every_code_has_its_page(self, template: Template) -> None:
        from chalicelib.edge.problem_codes import codes

        for answer in gateway_responses(template).values():
            problem = json.loads(answer["responseTemplates"]["application/problem+json"])
            assert problem["code"] in codes()
            assert problem["type"] == f"https://cetrus.test/problems/{problem['code']}"

    def test_who_may_try_again_is_told_when(self, template: Template) -> None:
        retry = {
            kind
            for kind, answer in gateway_responses(template).items()
            if "gatewayresponse.header.Retry-After" in answer["responseParameters"]
        }
        assert retry == {"THROTTLED", "INTEGRATION_TIMEOUT", "DEFAULT_5XX"}

    def test_pages_need_nothing_from_elsewhere(self, template: Template) -> None:
        for answer in gateway_responses(template).values():
            page = answer["responseTemplates"]["text/html"]
            assert "<script" not in page
            assert "src=" not in page
            assert "<link" not in page


class TestLogsAndAlarms:
    def test_every_function_and_the_gateway_have_a_log_that_ends(self, template: Template) -> None:
        groups = template.of_type("AWS::Logs::LogGroup").values()
        named = {group["LogGroupName"]: group["RetentionInDays"] for group in groups}
        functions = template.of_type("AWS::Lambda::Function")
        assert named == {
            **{f"/aws/lambda/{name}": 30 for name in functions},
            "/cetrus/prod/gateway": 30,
        }

    def test_every_function_and_every_dead_letter_raises_an_alarm(self, template: Template) -> None:
        alarms = template.of_type("AWS::CloudWatch::Alarm").values()
        watched = {
            (alarm["Namespace"], dimension["Name"], dimension["Value"])
            for alarm in alarms
            for dimension in alarm.get("Dimensions", [])
        }
        functions = template.of_type("AWS::Lambda::Function")
        assert watched >= {("AWS/Lambda", "FunctionName", name) for name in functions}
        assert watched >= {
            ("AWS/SQS", "QueueName", f"{dlq}.QueueName")
            for dlq in ("MailDlq", "MailFeedbackDlq", "PaymentsDlq")
        }

    def test_a_webhook_that_changed_its_words_raises_an_alarm(self, template: Template) -> None:
        alarm = template.of_type("AWS::CloudWatch::Alarm")["WebhookChangedAlarm"]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("Cetrus", "webhook_changed")
        source = (ROOT / "chalicelib" / "payments" / "service.py").read_text()
        assert 'count("webhook_changed")' in source

    @pytest.mark.promise("PS-32")
    @pytest.mark.parametrize(
        ("alarm", "metric", "module"),
        [
            ("VisitorLogsLate", "visitor_logs_late", "sweep.py"),
            ("VisitorLogsUnreadableAlarm", "visit_files_unreadable", "rollup.py"),
        ],
    )
    def test_raw_visitor_logs_that_lie_or_cannot_be_read_raise_an_alarm(
        self, alarm: str, metric: str, module: str, template: Template
    ) -> None:
        found = template.of_type("AWS::CloudWatch::Alarm")[alarm]
        assert (found["Namespace"], found["MetricName"]) == ("Cetrus", metric)
        assert found["Threshold"] == 0
        assert f'count("{metric}"' in (ROOT / "chalicelib" / "visits" / module).read_text()

    def test_an_alarm_is_told_to_somebody(self, template: Template) -> None:
        alarms = template.of_type("AWS::CloudWatch::Alarm").values()
        assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {("AlarmTopic",)}
        topic = template.of_type("AWS::SNS::Topic")["AlarmTopic"]
        assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": "alarms@cetrus.test"}]


class TestTwoStagesInOneAccount:
    def test_every_name_that_must_be_unique_holds_the_stage(self, template: Template) -> None:
        kinds = {
            "AWS::S3::Bucket": "BucketName",
            "AWS::KMS::Alias": "AliasName",
            "AWS::SES::ConfigurationSet": "Name",
            "AWS::SES::ReceiptRuleSet": "RuleSetName",
            "AWS::ApiGateway::RestApi": "Name",
            "AWS::SQS::Queue": "QueueName",
            "AWS::DynamoDB::Table": "TableName",
            "AWS::Lambda::Function": "FunctionName",
            "AWS::IAM::Role": "RoleName",
        }
        for kind, attribute in kinds.items():
            for name, properties in template.of_type(kind).items():
                assert "prod" in properties.get(attribute, "prod"), name

    def test_what_no_default_can_know_has_none(self, template: Template) -> None:
        open_ones = {n for n, p in template.raw["Parameters"].items() if "Default" not in p}
        assert open_ones == {"BaseUrl", "MailDomain", "AlarmEmail"}

    def test_secrets_are_named_by_their_prefix_alone(self, template: Template) -> None:
        assert not template.of_type("AWS::SSM::Parameter")
        assert not template.of_type("AWS::SecretsManager::Secret")


def bucket_policy(template: Template, bucket: str) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = template.of_type("AWS::S3::BucketPolicy")[f"{bucket}Policy"][
        "PolicyDocument"
    ]["Statement"]
    return statements
