"""Compact signatures: joserfc reads what we write, and nothing else gets through."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk as jose_jwk
from joserfc import jws as jose

from chalicelib.core import signing
from chalicelib.core.signing import BadSignature, b64, canonical

KEY = Ed25519PrivateKey.generate()
JWK = signing.public_jwk(KEY)
OTHER = signing.public_jwk(Ed25519PrivateKey.generate())
CLAIMS = {"lease": "lea_1", "seq": 1}
TOKEN = signing.sign(CLAIMS, key=KEY, typ="lease+jwt", kid="k1")
EC = jose_jwk.ECKey.generate_key("P-256")
EC_JWK = {name: str(value) for name, value in EC.as_dict(private=False).items() if name != "kid"}


def with_header(header: dict[str, Any], claims: Any = CLAIMS) -> str:
    """A token with any header at all, signed by our key."""
    text = f"{b64(canonical(header))}.{b64(canonical(claims))}"
    return f"{text}.{b64(KEY.sign(text.encode()))}"


def es256(typ: str = "dpop+jwt") -> str:
    return jose.serialize_compact({"alg": "ES256", "typ": typ}, json.dumps(CLAIMS).encode(), EC)


class TestAgainstAnotherLibrary:
    def test_joserfc_verifies_what_we_sign(self) -> None:
        key = jose_jwk.OKPKey.import_key({**JWK})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls EdDSA by its newer name
            found = jose.deserialize_compact(TOKEN, key, algorithms=["EdDSA"])
        assert json.loads(found.payload) == CLAIMS
        assert found.protected == {"alg": "EdDSA", "typ": "lease+jwt", "kid": "k1"}

    def test_we_verify_what_joserfc_signs_with_p256(self) -> None:
        assert signing.verify(es256(), jwk=EC_JWK, typ="dpop+jwt") == CLAIMS

    @pytest.mark.parametrize("jwk", [JWK, EC_JWK])
    def test_thumbprints_are_those_of_rfc_7638(self, jwk: dict[str, str]) -> None:
        kind = jose_jwk.OKPKey if jwk["kty"] == "OKP" else jose_jwk.ECKey
        assert signing.thumbprint(jwk) == kind.import_key({**jwk}).thumbprint()


class TestRefusals:
    @pytest.mark.parametrize(
        "header",
        [
            {"alg": "none", "typ": "lease+jwt"},
            {"alg": "HS256", "typ": "lease+jwt"},
            {"alg": "ES256", "typ": "lease+jwt"},
            {"alg": "EdDSA", "typ": "receipt+jwt"},
            {"alg": "EdDSA"},
            {"typ": "lease+jwt"},
            {"alg": "EdDSA", "typ": "lease+jwt", "crit": ["exp"]},
            {"alg": ["EdDSA"], "typ": "lease+jwt"},
        ],
    )
    def test_the_token_never_chooses_algorithm_or_kind(self, header: dict[str, Any]) -> None:
        with pytest.raises(BadSignature):
            signing.verify(with_header(header), jwk=JWK, typ="lease+jwt")

    def test_another_key_is_refused(self) -> None:
        with pytest.raises(BadSignature):
            signing.verify(TOKEN, jwk=OTHER, typ="lease+jwt")

    @given(st.integers(0, len(TOKEN) - 1), st.sampled_from("abcXYZ019-_.=+/ \n"))
    def test_no_single_changed_character_is_accepted(self, place: int, other: str) -> None:
        changed = TOKEN[:place] + other + TOKEN[place + 1 :]
        if changed != TOKEN:
            with pytest.raises(BadSignature):
                signing.verify(changed, jwk=JWK, typ="lease+jwt")

    @given(st.text(max_size=200))
    def test_no_text_whatever_raises_anything_else(self, text: str) -> None:
        with pytest.raises(BadSignature):
            signing.verify(text, jwk=JWK, typ="lease+jwt")

    @pytest.mark.parametrize("claims", [[], "text", 7, None])
    def test_claims_that_are_no_object_are_refused(self, claims: Any) -> None:
        token = with_header({"alg": "EdDSA", "typ": "lease+jwt"}, claims)
        with pytest.raises(BadSignature):
            signing.verify(token, jwk=JWK, typ="lease+jwt")

    def test_a_token_over_the_bound_is_refused_before_it_is_read(self) -> None:
        long = signing.sign({"x": "y" * 9000}, key=KEY, typ="lease+jwt")
        with pytest.raises(BadSignature):
            signing.verify(long, jwk=JWK, typ="lease+jwt")

    @pytest.mark.parametrize("deep", ["[" * 3000, '{"a":' * 1500])
    def test_deep_nesting_is_refused(self, deep: str) -> None:
        token = ".".join((b64(deep.encode()), b64(b"{}"), b64(b"x" * 64)))
        with pytest.raises(BadSignature):
            signing.verify(token, jwk=JWK, typ="lease+jwt")

    @pytest.mark.parametrize(
        "claims",
        [
            b'{"iat":NaN}',
            b'{"iat":Infinity}',
            b'{"jti":"\\ud800"}',
            b'{"jti":"\xed\xa0\x80"}',
            '{"seq":1}'.encode("utf-16"),
        ],
    )
    def test_what_is_no_json_in_utf_8_is_refused(self, claims: bytes) -> None:
        header = b64(canonical({"alg": "EdDSA", "typ": "lease+jwt"}))
        text = f"{header}.{b64(claims)}"
        with pytest.raises(BadSignature):
            signing.verify(f"{text}.{b64(KEY.sign(text.encode()))}", jwk=JWK, typ="lease+jwt")

    def test_a_p256_signature_in_another_encoding_is_refused(self) -> None:
        head, body, _ = es256().split(".")
        der = EC.private_key
        assert der is not None
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        signature = der.sign(f"{head}.{body}".encode(), ECDSA(SHA256()))
        with pytest.raises(BadSignature):
            signing.verify(f"{head}.{body}.{b64(signature)}", jwk=EC_JWK, typ="dpop+jwt")


class TestKeys:
    @pytest.mark.parametrize(
        "jwk",
        [
            {},
            {**JWK, "d": "secret"},
            {**JWK, "crv": "X25519"},
            {**JWK, "x": "short"},
            {**JWK, "x": 7},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
            {"kty": "oct", "k": "c2VjcmV0"},
            {**EC_JWK, "crv": "P-384"},
            {**EC_JWK, "y": EC_JWK["x"]},
            {"kty": "EC", "crv": "P-256", "x": EC_JWK["x"]},
        ],
    )
    def test_what_is_no_public_key_of_ours_is_refused(self, jwk: dict[str, Any]) -> None:
        with pytest.raises(BadSignature):
            signing.load_public(jwk)

    def test_members_that_do_not_make_the_key_are_dropped(self) -> None:
        assert signing.public_members({**JWK, "kid": "x", "use": "sig"}) == JWK


@given(st.binary(max_size=64))
def test_base64url_has_one_text_for_one_value(data: bytes) -> None:
    text = b64(data)
    assert signing.unb64(text) == data
    for other in (text + "=", text + "A" * (4 - len(text) % 4), text + "\n"):
        try:
            assert signing.unb64(other) != data
        except BadSignature:
            continue
