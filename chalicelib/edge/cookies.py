"""Every cookie that we set, with its purpose and age; nothing else writes Set-Cookie (PS-20)."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Cookie:
    """`max_age` in seconds; a `__Host-` name is Secure, has no Domain, and Path=/."""

    name: str
    purpose: str
    max_age: int
    same_site: str = "Lax"

    def holding(self, value: str) -> str:
        return (
            f"{self.name}={value}; Path=/; Max-Age={self.max_age}; Secure; HttpOnly; "
            f"SameSite={self.same_site}"
        )

    def cleared(self) -> str:
        return f"{self.name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite={self.same_site}"


SESSION = Cookie("__Host-sid", "Keeps a person signed in; random, and says nothing.", 30 * DAY)
FORM = Cookie("__Host-form", "Ties a form to the browser that asked for it; random.", DAY, "Strict")
STAFF = Cookie(
    "__Host-staff", "Keeps somebody who works here signed in; random.", 2 * HOUR, "Strict"
)
INTEREST = Cookie(
    "__Host-interest",
    "What kind of application was last looked at, as one word of a short list, so that such come "
    "first under Apps. It stays in the browser: nothing here is kept of it or tied to it.",
    395 * DAY,  # thirteen months
)
COOKIES = (SESSION, FORM, STAFF, INTEREST)
