"""What keeps a stage in hand: alarms on what we count, how much may happen at once, a dashboard."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import app
from infra import alarms, throttling
from infra.alarms import COUNTED, Counted
from infra.dashboard import COLUMNS, HEIGHT, WIDTH
from infra.operate.checks import reserved
from infra.package import ROOT

if TYPE_CHECKING:
    from tests.infra.template.evaluator import Template

# Names that are put together where they are counted.
MADE_UP = {
    "mail_failed": 'count(f"mail_{state}")',
    **{f"payment_sweep_{what}": 'failure(f"payment_sweep_{what}"' for what in
       ("list", "event", "order")},
}  # fmt: skip


def functions(template: Template) -> dict[str, dict[str, Any]]:
    return template.of_type("AWS::Lambda::Function")


def sources() -> str:
    return "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))


class TestCounted:
    @pytest.mark.parametrize("counted", COUNTED, ids=lambda one: one.name)
    def test_an_alarm_watches_what_the_code_counts(self, counted: Counted) -> None:
        text = sources()
        for metric in counted.metrics:
            said = MADE_UP.get(metric)
            told = said in text if said else re.search(rf'(count|failure)\("{metric}"', text)
            assert told, f"nothing counts {metric}"

    def test_made_up_names_are_those_that_are_counted(self) -> None:
        assert 'FAILED = "failed"' in (ROOT / "chalicelib/mail/rules.py").read_text()
        steps = (ROOT / "chalicelib/payments/sweeping.py").read_text()
        for what in ("list", "event", "order"):
            assert f'"{what}"' in steps

    @pytest.mark.parametrize("counted", COUNTED, ids=lambda one: one.name)
    def test_it_is_in_the_template_and_told_to_somebody(
        self, counted: Counted, template: Template
    ) -> None:
        made = template.of_type("AWS::CloudWatch::Alarm")[counted.name]
        assert made["AlarmActions"] == ["AlarmTopic"]
        assert made["Threshold"] == counted.most
        assert made["AlarmDescription"] == counted.says

    def test_every_metric_of_ours_names_the_stage(self, template: Template) -> None:
        stage = [{"Name": "service", "Value": "cetrus-prod"}]
        for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
            parts = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", [])[1:]]
            for metric in parts or [alarm]:
                if metric["Namespace"] == alarms.NAMESPACE:
                    assert metric["Dimensions"] == stage, name
        for function in functions(template).values():
            named = function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
            assert named == "cetrus-prod"

    def test_metrics_that_speak_together_are_added_up(self, template: Template) -> None:
        made = template.of_type("AWS::CloudWatch::Alarm")["PaymentSweepFailuresAlarm"]
        added, *parts = made["Metrics"]
        assert added["Expression"] == "FILL(m0, 0) + FILL(m1, 0) + FILL(m2, 0)"
        assert [part["Id"] for part in parts] == ["m0", "m1", "m2"]
        returned = [part["ReturnData"] for part in made["Metrics"]]
        assert returned == [True, False, False, False]


class TestAtOnce:
    def test_a_function_that_is_new_keeps_one_and_the_routes_none(self) -> None:
        assert throttling.reserved(["ApiHandler", "NewSweep"]) == {"NewSweep": 1}

    def test_the_routes_keep_nothing_and_everything_else_does(self, template: Template) -> None:
        kept = {
            name: function.get("ReservedConcurrentExecutions")
            for name, function in functions(template).items()
        }
        assert kept.pop("APIHandler") is None
        assert all(count and 1 <= count <= 5 for count in kept.values()), kept
        assert sum(count or 0 for count in kept.values()) == reserved()

    def test_a_queue_hands_out_no_more_than_its_function_keeps(self, template: Template) -> None:
        kept = functions(template)
        for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values():
            most = mapping["ScalingConfig"]["MaximumConcurrency"]
            name = mapping["FunctionName"]
            assert most == kept[name]["ReservedConcurrentExecutions"], name

    def test_whatever_costs_a_processor_is_throttled_more(self, template: Template) -> None:
        (stage,) = template.of_type("AWS::ApiGateway::Stage").values()
        whole, *narrow = stage["MethodSettings"]
        assert (whole["ThrottlingRateLimit"], whole["ThrottlingBurstLimit"]) == (500, 1000)
        paths = {path_of(one) for one in narrow}
        assert paths == set(throttling.PASSWORDS)
        (api,) = template.of_type("AWS::ApiGateway::RestApi").values()
        for one in narrow:
            assert "post" in api["Body"]["paths"][path_of(one)]
            assert one["HttpMethod"] == "POST"
            assert one["ThrottlingRateLimit"] <= whole["ThrottlingRateLimit"] / 10

    def test_every_form_that_hashes_a_password_is_among_them(self) -> None:
        hashing = {
            path
            for path, methods in app.app.routes.items()
            if "POST" in methods
            and "form.password" in inspect.getsource(inspect.unwrap(methods["POST"].view_function))
        }
        assert hashing == set(throttling.PASSWORDS) - {"/forgot", "/contact"}


def path_of(setting: dict[str, Any]) -> str:
    """The route that a setting is about: its slashes are written as in a JSON pointer."""
    path: str = setting["ResourcePath"]
    assert path.startswith("/~1")
    return path[1:].replace("~1", "/")


class TestDashboard:
    @pytest.fixture
    def body(self, template: Template) -> dict[str, Any]:
        (made,) = template.of_type("AWS::CloudWatch::Dashboard").values()
        assert made["DashboardName"] == "cetrus-prod"
        found: dict[str, Any] = json.loads(made["DashboardBody"])
        return found

    def test_every_function_table_and_queue_is_on_it(
        self, body: dict[str, Any], template: Template
    ) -> None:
        text = json.dumps(body)
        assert "${" not in text
        for kind in ("AWS::Lambda::Function", "AWS::DynamoDB::Table"):
            for name in template.of_type(kind):
                assert f'"{name}"' in text
        for queue in template.of_type("AWS::SQS::Queue"):
            assert f'"{queue}.QueueName"' in text

    def test_what_waits_and_what_is_dead_are_charts_of_their_own(
        self, body: dict[str, Any], template: Template
    ) -> None:
        shown = {
            widget["properties"]["title"]: {
                metric[3].partition(".")[0] for metric in widget["properties"]["metrics"]
            }
            for widget in body["widgets"]
        }
        assert shown["Dead letters"] == {"MailDlq", "MailFeedbackDlq", "PaymentsDlq"}
        every = set(template.of_type("AWS::SQS::Queue"))
        assert shown["What waits"] == every - shown["Dead letters"]

    def test_charts_stand_beside_and_below_each_other(self, body: dict[str, Any]) -> None:
        places = [(widget["x"], widget["y"]) for widget in body["widgets"]]
        assert len(set(places)) == len(places)
        assert {x for x, _ in places} == {column * WIDTH for column in range(COLUMNS)}
        assert all(y % HEIGHT == 0 for _, y in places)

    def test_each_chart_says_where_and_how_it_counts(self, body: dict[str, Any]) -> None:
        for widget in body["widgets"]:
            shown = widget["properties"]
            assert shown["region"] == "eu-west-1"
            assert shown["title"]
            assert shown["metrics"]
            for namespace, name, *dimensions in shown["metrics"]:
                assert namespace.startswith("AWS/") or namespace == alarms.NAMESPACE
                assert name
                assert len(dimensions) % 2 == 0
