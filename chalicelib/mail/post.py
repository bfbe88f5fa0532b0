"""The only code that speaks to the mail service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.mail.rules import Outcome
from chalicelib.observability import failure

if TYPE_CHECKING:
    from chalicelib.mail.letters import Letter

REFUSALS = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue"})
FAULTS = frozenset({"InternalFailure", "InternalServerError", "ServiceUnavailable"})
SERVER_ERROR = 500


class Post:
    """Hands mail over through SES; its client must not try again by itself (G11)."""

    def __init__(self, client: Any, sender: str, configuration_set: str) -> None:
        self.client, self.sender, self.configuration_set = client, sender, configuration_set

    def hand_over(self, letter: Letter, message_id: str) -> Outcome:
        """How it went; a refusal is final, and an outcome is unknown where no answer came."""
        from botocore.exceptions import (
            ClientError,
            ConnectTimeoutError,
            EndpointConnectionError,
            HTTPClientError,
        )

        try:
            self.client.send_email(
                FromEmailAddress=self.sender,
                Destination={"ToAddresses": [letter.address]},
                Content={"Raw": {"Data": letter.raw}},
                ConfigurationSetName=self.configuration_set,
            )
        except ClientError as error:
            failure("mail_not_taken", error, mail=message_id, answer=code_of(error.response))
            return judge(error.response)
        except (ConnectTimeoutError, EndpointConnectionError) as error:
            failure("mail_not_taken", error, mail=message_id)
            return Outcome.NOT_SENT
        except HTTPClientError as error:
            failure("mail_without_answer", error, mail=message_id)
            return Outcome.UNKNOWN
        return Outcome.SENT


def code_of(response: Any) -> str:
    return str(response["Error"]["Code"])


def judge(response: Any) -> Outcome:
    """What an error answer says of the mail: refused for good, not taken, or perhaps taken."""
    status = response["ResponseMetadata"].get("HTTPStatusCode", SERVER_ERROR)
    if code_of(response) in REFUSALS:
        return Outcome.REFUSED
    if status >= SERVER_ERROR or code_of(response) in FAULTS:
        return Outcome.UNKNOWN
    return Outcome.NOT_SENT
