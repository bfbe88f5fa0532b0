"""Sessions of the functions' roles: who signs a call, and with which secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .names import ACCOUNT, OPERATOR_KEY, OPERATOR_SECRET, REGION, arn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .runtime import FunctionSpec


class Sessions:
    """`common` is what every worker is told; secrets of ended workers stay, links outlive them."""

    def __init__(self, common: Mapping[str, str]) -> None:
        self._common = dict(common)
        self._secrets: dict[str, tuple[str, str | None]] = {OPERATOR_KEY: (OPERATOR_SECRET, None)}

    def open(self, spec: FunctionSpec) -> tuple[str, dict[str, str]]:
        """A new session of the function's role: its access key, and the variables of one worker."""
        from moto.sts.models import sts_backends

        wanted: dict[str, Any] = {
            "region_name": REGION,
            "role_session_name": spec.physical[:60],
            "role_arn": arn("iam", f"role/{spec.role}", region=""),
            "policy": None,
            "duration": 3600,
            "external_id": None,
        }
        role = sts_backends[ACCOUNT]["aws"].assume_role(**wanted)
        key, secret, token = role.access_key_id, role.secret_access_key, role.session_token
        self._secrets[key] = (secret, token)
        return key, {
            **self._common,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
        }

    def secret_of(self, access_key: str) -> tuple[str, str | None] | None:
        return self._secrets.get(access_key)
