"""The packaged template, made once a run (and only where the sources changed since the last)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.package import ROOT, Artifact, package
from tests.infra.template.evaluator import Role, Template, roles

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETERS = {
    "Stage": "prod",
    "BaseUrl": "https://cetrus.test",
    "MailDomain": "cetrus.test",
    "AlarmEmail": "alarms@cetrus.test",
    "HeadsLockedDays": "400",
    "ProcessorApi": "https://api.stripe.com",
    "ProcessorOrigin": "https://checkout.stripe.com",
}


@pytest.fixture(scope="session")
def artifact() -> Artifact:
    return package("prod", ROOT / "out" / "tests" / "prod")


@pytest.fixture(scope="session")
def template(artifact: Artifact) -> Template:
    return Template(json.loads(Path(artifact.cfn).read_text()), PARAMETERS)


@pytest.fixture(scope="session")
def by_function(template: Template) -> Mapping[str, Role]:
    return roles(template)
