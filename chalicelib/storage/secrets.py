"""Secrets from the parameter store, read at run time and kept for at most five minutes."""

from __future__ import annotations

from typing import Any

KEPT_SECONDS = 300


class Secrets:
    """SecureString parameters under one prefix; a missing one is an error that names it."""

    def __init__(self, client: Any, prefix: str) -> None:
        from aws_lambda_powertools.utilities.parameters import SSMProvider

        self.provider, self.prefix = SSMProvider(boto3_client=client), prefix

    def get(self, name: str) -> str:
        value = self.provider.get(f"{self.prefix}/{name}", max_age=KEPT_SECONDS, decrypt=True)
        return str(value)
