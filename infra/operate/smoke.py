"""`make smoke`: looks at a running service from outside, after a deployment.

    python -m infra.operate.smoke https://cetrus.example

Asks what anybody may ask and changes nothing: pages, headers, forms of errors, published keys, and
the transport where it is encrypted. Exit code 1 where something is not as it should be.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import socket
import ssl
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

import httpx

from chalicelib.edge.headers import SECURITY_HEADERS
from chalicelib.edge.problem_codes import codes

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = ("/", "/apps", "/status", "/register", "/login", "/privacy", "/contact", "/problems")
HTML = {"Accept": "text/html"}
PROBLEM = {"type", "title", "status", "detail", "code"}
CERTIFICATE_DAYS = 14
OLDEST_TLS = ("TLSv1.2", "TLSv1.3")


class Wrong(Exception):
    """Something is not as it should be; the text says what."""


class Site:
    """The service at one address; redirects are shown and not followed."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.http = httpx.Client(timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(self.url + path, headers=headers)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(self.url + path, json=body, headers=headers)


def expect(holds: object, what: str) -> None:
    if not holds:
        raise Wrong(what)


def check_pages(site: Site) -> str:
    for path in PAGES:
        answer = site.get(path, **HTML)
        expect(answer.status_code == 200, f"{path} answers {answer.status_code}")
        kind = answer.headers.get("content-type", "")
        expect(kind.startswith("text/html"), f"{path} is {kind}")
        expect("<h1" in answer.text, f"{path} has no heading")
    return f"{len(PAGES)} pages"


def check_headers(site: Site) -> str:
    """Pages, files and errors alike carry what protects whoever gets them."""
    for path in ("/", "/v1/keys", "/v1/nothing-here"):
        headers = site.get(path, **HTML).headers
        for name, value in SECURITY_HEADERS.items():
            expect(headers.get(name) == value, f"{path}: {name} is {headers.get(name)}")
    policy = site.get("/", **HTML).headers.get("content-security-policy", "")
    expect(policy.startswith("default-src 'none'"), f"the content security policy is {policy!r}")
    expect("unsafe" not in policy, "the content security policy lets unsafe things in")
    return f"{len(SECURITY_HEADERS) + 1} headers on pages, files and errors"


def check_style(site: Site) -> str:
    """Styles come from the same address, and are kept for good."""
    found = re.search(r'href="([^"]+\.css)"', site.get("/", **HTML).text)
    if found is None:
        raise Wrong("the home page names no stylesheet")
    answer = site.http.get(urljoin(site.url + "/", found[1]))
    expect(answer.status_code == 200, f"{found[1]} answers {answer.status_code}")
    kept = answer.headers.get("cache-control", "")
    expect("immutable" in kept, f"{found[1]} is kept as {kept!r}")
    return found[1]


def check_cookie(site: Site) -> str:
    """The form's cookie is ours alone: no script, no other site and no plain line gets it."""
    cookie = site.get("/login", **HTML).headers.get("set-cookie", "")
    for word in ("__Host-", "Secure", "HttpOnly", "SameSite="):
        expect(word in cookie, f"a cookie of /login lacks {word}")
    return str(cookie).partition("=")[0]


def check_problems(site: Site) -> str:
    """What does not exist is a problem for a program and a page for a person."""
    for path in ("/v1/nothing-here", "/problems/nothing-here"):
        answer = site.get(path, Accept="application/json")
        expect(answer.status_code == 404, f"{path} answers {answer.status_code}")
        kind = answer.headers.get("content-type", "")
        expect(kind.startswith("application/problem+json"), f"{path} is {kind}")
        problem = answer.json()
        expect(problem.keys() >= PROBLEM, f"{path} lacks {sorted(PROBLEM - problem.keys())}")
        expect(problem["code"] in codes(), f"{path} has the code {problem['code']}")
    page = site.get("/nothing-here", **HTML)
    expect(page.headers.get("content-type", "").startswith("text/html"), "a person gets no page")
    page = site.get("/problems/not_found", **HTML)
    expect(page.status_code == 200, "the page of a code does not open")
    return "problems for programs, pages for people"


def check_challenge(site: Site) -> str:
    """A program whose credential is no good is told which is wanted, under the right name."""
    sent = {"application": "app_none", "license_id": "lic_none"}
    answer = site.post("/v1/licenses/check", sent, Authorization="DPoP nonsense", DPoP="nonsense")
    expect(answer.status_code == 401, f"a bad credential is answered {answer.status_code}")
    renamed = "x-amzn-remapped-www-authenticate" in answer.headers
    expect(not renamed, "WWW-Authenticate is renamed: is this the gateway's own URL?")
    challenge = answer.headers.get("www-authenticate", "")
    expect(challenge.startswith("DPoP"), f"WWW-Authenticate is {challenge!r}")
    return str(challenge)


def check_sign_in(site: Site) -> str:
    answer = site.get("/account", **HTML)
    expect(answer.status_code in (302, 303), f"/account answers {answer.status_code}")
    where = urlsplit(answer.headers.get("location", ""))
    expect(where.path.endswith("/login"), f"/account leads to {where.path}")
    return "nobody gets in without signing in"


def check_keys(site: Site) -> str:
    """There is a key that signs leases, and nothing private of it is shown."""
    answer = site.get("/v1/keys")
    expect(answer.status_code == 200, f"/v1/keys answers {answer.status_code}")
    keys = answer.json()["keys"]
    expect(keys, "there is no signing key: python -m infra.admin signing-key")
    for key in keys:
        expect((key["kty"], key["crv"]) == ("OKP", "Ed25519"), f"{key['kid']} is of another kind")
        expect("d" not in key, f"{key['kid']} shows its private part")
    return ", ".join(key["kid"] for key in keys)


def check_contract(site: Site) -> str:
    document = site.get("/v1/openapi.json").json()
    expect(str(document["openapi"]).startswith("3.1"), f"OpenAPI is {document['openapi']}")
    for path in ("/v1/licenses/check", "/v1/launches", "/v1/keys"):
        expect(path in document["paths"], f"the contract lacks {path}")
    return f"{len(document['paths'])} paths"


def check_transport(site: Site) -> str:
    """Encrypted by TLS 1.2 or newer, with a certificate that lasts; plain HTTP is led there."""
    if not site.encrypted:
        return "plain HTTP: nothing to look at"
    where = urlsplit(site.url)
    address = (where.hostname or "", where.port or 443)
    with (
        socket.create_connection(address, timeout=30) as line,
        ssl.create_default_context().wrap_socket(line, server_hostname=where.hostname) as tls,
    ):
        version, certificate = str(tls.version()), tls.getpeercert() or {}
    expect(version in OLDEST_TLS, f"{version} is spoken")
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    left = (dt.datetime.fromtimestamp(ends, dt.UTC) - dt.datetime.now(dt.UTC)).days
    expect(left >= CERTIFICATE_DAYS, f"the certificate ends in {left} days")
    plain = site.http.get(site.url.replace("https://", "http://", 1) + "/")
    expect(plain.headers.get("location", "").startswith("https://"), "plain HTTP is not led away")
    return f"{version}, certificate for {left} days"


def check_edge(site: Site) -> str:
    """Behind CloudFront: answers are compressed and carry no id of a request."""
    answer = site.get("/", **HTML, **{"Accept-Encoding": "br, gzip"})
    if "cloudfront" not in answer.headers.get("via", "").lower():
        return "no CloudFront here: nothing to look at"
    expect("content-encoding" in answer.headers, "pages are not compressed")
    for name in ("x-amzn-requestid", "x-amz-apigw-id"):
        expect(name not in answer.headers, f"the edge lets {name} out")
    return "compressed, without ids"


CHECKS: tuple[Callable[[Site], str], ...] = (
    check_transport,
    check_pages,
    check_headers,
    check_style,
    check_cookie,
    check_problems,
    check_challenge,
    check_sign_in,
    check_keys,
    check_contract,
    check_edge,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check found: the name of the check, whether all is well, and the words for it."""

    name: str
    well: bool
    words: str


def smoke(url: str) -> list[Seen]:
    """Run every check; one that fails does not keep the others from being run."""
    with Site(url) as site:
        return [seen(check, site) for check in CHECKS]


def seen(check: Callable[[Site], str], site: Site) -> Seen:
    """Run one check and put what it found into words."""
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return Seen(name, True, check(site))
    except Wrong as wrong:
        return Seen(name, False, str(wrong))
    except (httpx.HTTPError, OSError) as error:
        return Seen(name, False, f"no answer: {type(error).__name__}")
    except (ValueError, LookupError, TypeError) as error:
        return Seen(name, False, f"an answer of another form: {type(error).__name__}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make smoke",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url")
    chosen = parser.parse_args(arguments)
    found = smoke(chosen.url)
    for one in found:
        print(f"{'ok' if one.well else 'WRONG':6} {one.name:10} {one.words}")
    bad = sum(not one.well for one in found)
    print(f"smoke of {chosen.url}: {f'{bad} wrong' if bad else 'all well'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
