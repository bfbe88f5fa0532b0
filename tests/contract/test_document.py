"""The published contract holds every route, and accepts what the code accepts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import app
from chalicelib.contract.document import CALLS, bodies, document, forms
from chalicelib.core.errors import CetrusError
from chalicelib.edge import bodies as edge_bodies
from chalicelib.edge.access import ACCESS
from chalicelib.edge.routes import FORM
from chalicelib.licenses.bodies import CheckBody, EndBody, HeartbeatBody, LaunchBody

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DOCUMENT = document("https://cetrus.test")
MODELS: list[type[DataclassInstance]] = [CheckBody, LaunchBody, HeartbeatBody, EndBody]
KEY = {"kty": "OKP", "crv": "Ed25519", "x": "HdpJmT0kI---mUJ_5HSyn7l4YgIr3OK0wTXRKth1w8A"}
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**60), st.text(max_size=12), st.just("app_1"),
    st.just(KEY), st.lists(st.integers(), max_size=2), st.floats(allow_nan=False, width=16),
)  # fmt: skip


def test_every_route_is_in_it() -> None:
    written = {
        f"{method.upper()} {path}"
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
    }
    assert written == set(ACCESS)


def test_every_call_for_programs_says_what_it_answers() -> None:
    answered_elsewhere = {"GET /v1/openapi.json", "GET /v1/artifacts/{artifact_id}"}
    programs = {route for route in ACCESS if " /v1/" in route or " /webhooks/" in route}
    assert programs - answered_elsewhere == set(CALLS)


def test_every_form_is_in_it_with_its_fields() -> None:
    posted = {
        f"POST {path}"
        for path, methods in app.app.routes.items()
        if "POST" in methods and tuple(methods["POST"].content_types) == FORM
    }
    assert {route for route in posted if " /v1/" not in route} == set(forms())


def test_every_reference_leads_somewhere() -> None:
    names = {part.split('"')[0] for part in json.dumps(DOCUMENT).split("#/components/schemas/")[1:]}
    assert names <= set(DOCUMENT["components"]["schemas"])


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
@given(data=st.data())
@settings(max_examples=150)
def test_the_schema_accepts_what_the_code_accepts(
    model: type[DataclassInstance], data: st.DataObject
) -> None:
    """Where the two differ, the code is the stricter one and the schema cannot say so: controls."""
    schema = bodies()[model.__name__]
    names = [*schema["properties"], "extra"]
    body: dict[str, Any] = data.draw(st.dictionaries(st.sampled_from(names), VALUES))
    fits = Draft202012Validator(schema).is_valid(body)
    assert accepts(model, body) <= fits
    if fits and all(str(value).isprintable() for value in body.values()):
        assert accepts(model, body)


def accepts(model: type[DataclassInstance], body: dict[str, Any]) -> bool:
    try:
        edge_bodies.build(model, body)
    except CetrusError:
        return False
    return True
