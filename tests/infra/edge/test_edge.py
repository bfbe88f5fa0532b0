"""The web front door: what CloudFront, the web ACL and the log delivery are told to do."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.edge.headers import HSTS
from chalicelib.visits.classes import FIELDS, OTHER, PATTERNS
from infra.local.front.gateway import TIMEOUT
from infra.local.front.limits import LIMITS, Limit
from infra.operate.edge import read_edge, write_edge
from infra.package import ROOT

CLASSES_ALLOWED = 64
WHOLE = ("EXACTLY", ["NONE"])
BEGINNING = ("STARTS_WITH", ["URL_DECODE", "NORMALIZE_PATH"])
"""How a limit compares a method, and a path: decoded and plain, as the local gateway does."""
PERSONAL = ("Host", "Referer", "User-Agent")


@pytest.fixture(scope="module")
def edge() -> dict[str, Any]:
    return read_edge()


@pytest.fixture(scope="module")
def distribution(edge: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = properties(edge, "Distribution")["DistributionConfig"]
    return found


def properties(edge: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = edge["Resources"][name]["Properties"]
    return found


def behaviors(distribution: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rows = {row["PathPattern"]: row for row in distribution["CacheBehaviors"]}
    return {**rows, OTHER: distribution["DefaultCacheBehavior"]}


class TestLint:
    def test_cfn_lint_finds_nothing_in_the_template_or_in_what_is_deployed(
        self, tmp_path: Path
    ) -> None:
        deployed = write_edge(tmp_path)
        linter = str(Path(sys.executable).with_name("cfn-lint"))
        files = [str(ROOT / "infra/edge.yaml"), str(deployed)]
        command = [linter, "--regions", "us-east-1", "-t", *files]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")

    def test_what_is_deployed_needs_no_resolving(self, tmp_path: Path) -> None:
        text = write_edge(tmp_path).read_text()
        assert json.loads(text)["Resources"].keys() == read_edge()["Resources"].keys()
        assert "<<" not in text


class TestPathClasses:
    def test_there_is_a_behavior_for_each_class_in_the_same_order(
        self, distribution: dict[str, Any]
    ) -> None:
        patterns = [row["PathPattern"] for row in distribution["CacheBehaviors"]]
        assert (*patterns, OTHER) == PATTERNS
        assert len(PATTERNS) <= CLASSES_ALLOWED

    def test_programs_calls_and_pages_reach_the_gateway_s_stage(
        self, distribution: dict[str, Any]
    ) -> None:
        (origin,) = distribution["Origins"]
        assert origin["OriginPath"] == "/api"
        assert origin["CustomOriginConfig"]["OriginReadTimeout"] > TIMEOUT
        for row in behaviors(distribution).values():
            assert row["TargetOriginId"] == origin["Id"]


class TestTransport:
    @pytest.mark.promise("PS-47")
    def test_only_tls_1_2_or_newer_is_spoken_on_both_sides(
        self, distribution: dict[str, Any]
    ) -> None:
        assert distribution["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
        (origin,) = distribution["Origins"]
        assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
        assert origin["CustomOriginConfig"]["OriginSSLProtocols"] == ["TLSv1.2"]
        for row in behaviors(distribution).values():
            assert row["ViewerProtocolPolicy"] == "redirect-to-https"

    def test_hsts_is_what_the_app_says(self, edge: dict[str, Any]) -> None:
        config = properties(edge, "SecurityHeaders")["ResponseHeadersPolicyConfig"]
        hsts = config["SecurityHeadersConfig"]["StrictTransportSecurity"]
        said = f"max-age={hsts['AccessControlMaxAgeSec']}"
        assert said + "; includeSubDomains" * hsts["IncludeSubdomains"] == HSTS

    def test_every_behavior_compresses_and_sends_the_security_headers(
        self, distribution: dict[str, Any], edge: dict[str, Any]
    ) -> None:
        for row in behaviors(distribution).values():
            assert row["Compress"] is True
            assert row["ResponseHeadersPolicyId"] == {"Ref": "SecurityHeaders"}
            policy = properties(edge, row["CachePolicyId"]["Ref"])["CachePolicyConfig"]
            key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
            # A time to live of zero would switch compression off.
            assert policy["MaxTTL"] > 0
            assert key["EnableAcceptEncodingGzip"] is key["EnableAcceptEncodingBrotli"] is True


class TestPrivacy:
    @pytest.mark.guarantee("G9")
    def test_the_app_is_told_neither_address_nor_agent_nor_referrer(
        self, distribution: dict[str, Any], edge: dict[str, Any]
    ) -> None:
        for row in behaviors(distribution).values():
            assert row["OriginRequestPolicyId"] == {"Ref": "WithoutAddress"}
        config = properties(edge, "WithoutAddress")["OriginRequestPolicyConfig"]
        # allExcept forwards what viewers send, and none of the headers that CloudFront can add.
        assert config["HeadersConfig"] == {"HeaderBehavior": "allExcept", "Headers": [*PERSONAL]}
        assert "CloudFront-Viewer" not in json.dumps(edge["Resources"])

    @pytest.mark.guarantee("G9")
    @pytest.mark.promise("PS-28")
    def test_visitor_logs_hold_the_permitted_fields_alone(self, edge: dict[str, Any]) -> None:
        delivery = properties(edge, "VisitorLogsDelivery")
        assert tuple(delivery["RecordFields"]) == FIELDS
        assert delivery["S3SuffixPath"] == "{yyyy}/{MM}/{dd}/{HH}"
        destination = properties(edge, "VisitorLogsDestination")
        assert destination["OutputFormat"] == "json"
        assert destination["DestinationResourceArn"] == {
            "Fn::Sub": "${VisitorLogsBucketArn}/visits"
        }
        assert properties(edge, "VisitorLogsSource")["LogType"] == "ACCESS_LOGS"

    @pytest.mark.guarantee("G9")
    def test_no_other_log_of_visits_is_written(
        self, distribution: dict[str, Any], edge: dict[str, Any]
    ) -> None:
        assert "Logging" not in distribution
        kinds = {resource["Type"] for resource in edge["Resources"].values()}
        assert not kinds & {
            "AWS::WAFv2::LoggingConfiguration",
            "AWS::CloudFront::RealtimeLogConfig",
        }
        acl = properties(edge, "WebAcl")
        for watched in (acl, *acl["Rules"]):
            assert watched["VisibilityConfig"]["SampledRequestsEnabled"] is False

    @pytest.mark.guarantee("G7")
    def test_callers_never_share_an_answer(
        self, distribution: dict[str, Any], edge: dict[str, Any]
    ) -> None:
        shared = {
            pattern
            for pattern, row in behaviors(distribution).items()
            if row["CachePolicyId"] == {"Ref": "SharedPolicy"}
        }
        assert shared == {"/assets/*", "/.well-known/*"}
        policy = properties(edge, "PrivatePolicy")["CachePolicyConfig"]
        key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
        assert (policy["MinTTL"], policy["DefaultTTL"], policy["MaxTTL"]) == (0, 0, 1)
        assert key["CookiesConfig"] == {"CookieBehavior": "all"}
        assert key["QueryStringsConfig"] == {"QueryStringBehavior": "all"}
        assert set(key["HeadersConfig"]["Headers"]) >= {"Authorization", "DPoP"}

    def test_no_id_of_a_request_leaves_the_edge(self, edge: dict[str, Any]) -> None:
        config = properties(edge, "SecurityHeaders")["ResponseHeadersPolicyConfig"]
        removed = {item["Header"] for item in config["RemoveHeadersConfig"]["Items"]}
        assert removed == {"x-amzn-RequestId", "x-amz-apigw-id", "X-Amzn-Trace-Id"}


class TestChallenge:
    """REST APIs rename WWW-Authenticate, which a 401 must carry."""

    RENAMED = "x-amzn-remapped-www-authenticate"

    def restored(self, edge: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
        code = properties(edge, "ChallengeRestorer")["Code"]["ZipFile"]
        module: dict[str, Any] = {}
        exec(compile(code, "index.py", "exec"), module)  # noqa: S102  # the template's own code
        event = {"Records": [{"cf": {"response": {"status": "401", "headers": headers}}}]}
        response: dict[str, Any] = module["handler"](event, None)
        assert response["status"] == "401"
        found: dict[str, Any] = response["headers"]
        return found

    def test_it_gets_its_name_back(self, edge: dict[str, Any]) -> None:
        other = {"content-type": [{"key": "Content-Type", "value": "application/problem+json"}]}
        renamed = [{"key": "x-amzn-Remapped-WWW-Authenticate", "value": 'DPoP error="x"'}]
        assert self.restored(edge, {self.RENAMED: renamed, **other}) == {
            "www-authenticate": [{"key": "WWW-Authenticate", "value": 'DPoP error="x"'}],
            **other,
        }

    def test_an_answer_without_it_stays_as_it_is(self, edge: dict[str, Any]) -> None:
        assert self.restored(edge, {}) == {}

    def test_every_call_of_programs_passes_it_and_no_page_does(
        self, distribution: dict[str, Any]
    ) -> None:
        asked = {
            pattern: row["LambdaFunctionAssociations"]
            for pattern, row in behaviors(distribution).items()
            if row.get("LambdaFunctionAssociations")
        }
        assert asked.keys() == {pattern for pattern in PATTERNS if pattern.startswith("/v1")}
        for associations in asked.values():
            # Viewer responses of 400 and more pass no function.
            assert [one["EventType"] for one in associations] == ["origin-response"]

    def test_new_code_makes_a_new_version(self, edge: dict[str, Any]) -> None:
        code = properties(edge, "ChallengeRestorer")["Code"]["ZipFile"]
        digest = hashlib.sha256(code.encode()).hexdigest()[:16]
        assert properties(edge, "ChallengeRestorerV1")["Description"] == f"sha256 {digest}"

    def test_it_may_do_nothing_at_all(self, edge: dict[str, Any]) -> None:
        role = properties(edge, "ChallengeRestorerRole")
        assert role.keys() == {"AssumeRolePolicyDocument"}


class TestLimits:
    def test_the_web_acl_has_the_limits_that_the_local_gateway_enforces(
        self, edge: dict[str, Any]
    ) -> None:
        acl = properties(edge, "WebAcl")
        assert acl["Scope"] == "CLOUDFRONT"
        assert acl["DefaultAction"] == {"Allow": {}}
        assert tuple(limit_of(rule) for rule in acl["Rules"]) == LIMITS

    def test_who_asks_too_often_is_told_when_to_come_back(self, edge: dict[str, Any]) -> None:
        acl = properties(edge, "WebAcl")
        for rule in acl["Rules"]:
            answer = rule["Action"]["Block"]["CustomResponse"]
            assert answer["ResponseCode"] == 429
            assert answer["ResponseHeaders"] == [{"Name": "Retry-After", "Value": "300"}]
            body = json.loads(
                acl["CustomResponseBodies"][answer["CustomResponseBodyKey"]]["Content"]
            )
            assert (body["status"], body["code"]) == (429, "too_many_requests")

    def test_it_stands_before_the_distribution(self, distribution: dict[str, Any]) -> None:
        assert distribution["WebACLId"] == {"Fn::GetAtt": ["WebAcl", "Arn"]}


def limit_of(rule: dict[str, Any]) -> Limit:
    """A rule of the web ACL, as the local gateway writes it down."""
    rate = rule["Statement"]["RateBasedStatement"]
    assert rate["AggregateKeyType"] == "IP"
    methods: list[str] = []
    paths: list[str] = []
    for match in matches(rate.get("ScopeDownStatement")):
        where = methods if "Method" in match["FieldToMatch"] else paths
        where.append(match["SearchString"])
        how = match["PositionalConstraint"], [one["Type"] for one in match["TextTransformations"]]
        assert how == (WHOLE if where is methods else BEGINNING)
    return Limit(
        rule["Name"], rate["Limit"], rate["EvaluationWindowSec"], tuple(methods), tuple(paths)
    )


def matches(statement: Any) -> list[dict[str, Any]]:
    """The comparisons of a statement: methods, and one of several paths."""
    if statement is None:
        return []
    if "ByteMatchStatement" in statement:
        return [statement["ByteMatchStatement"]]
    (kind,) = statement
    return [match for part in statement[kind]["Statements"] for match in matches(part)]
