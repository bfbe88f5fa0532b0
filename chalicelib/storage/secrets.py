"""Secrets from the parameter store, read at run time and kept for at most five minutes."""

from __future__ import annotations

from typing import Any

KEPT_SECONDS = 300


class Secrets:
    """SecureString parameters under one prefix; a missing one is a LookupError that names it."""

    def __init__(self, client: Any, prefix: str) -> None:
        from aws_lambda_powertools.utilities.parameters import SSMProvider

        self.provider, self.prefix = SSMProvider(boto3_client=client), prefix

    def get(self, name: str) -> str:
        from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

        path = f"{self.prefix}/{name}"
        try:
            return str(self.provider.get(path, max_age=KEPT_SECONDS, decrypt=True))
        except GetParameterError as error:
            # It stands for whatever the service said; what passes by itself is known by its kind.
            raise told_by_the_service(error, path) from error


def told_by_the_service(error: Exception, path: str) -> BaseException:
    said = error.__context__ or error
    missing = getattr(said, "response", {}).get("Error", {}).get("Code") == "ParameterNotFound"
    return LookupError(f"there is no parameter {path}") if missing else said
