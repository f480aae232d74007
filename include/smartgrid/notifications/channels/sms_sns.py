"""SMS over AWS SNS, by boto3."""

from __future__ import annotations

import logging
import os
import time
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from smartgrid.channel_settings import AwsSns, Channels, Sms
from smartgrid.notifications.channel import Delivery, Receipt
from smartgrid.notifications.channels.sms_failures import not_sent, perhaps_sent, tls_never_began
from smartgrid.notifications.channels.sms_twilio import sms_body
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.expiry import seconds_to_live
from smartgrid.notifications.retry_after import retry_after_s
from smartgrid.notifications.sms_text import fit, phone_number

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

log = logging.getLogger(__name__)

_BUSY = {
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
    "KMSThrottling", "SlowDown",
}  # fmt: skip
_PERMANENT = {
    "InvalidParameter",
    "InvalidParameterValue",
    "ValidationError",
    "ValidationException",
    "ParameterValueInvalid",
}


class AwsSnsSms:
    """Needs a region, and credentials from the settings or from wherever boto3 finds them.

    SNS cannot be asked what became of a message: after a timeout its fate stays unknown.
    """

    name = "aws_sns"

    def __init__(self, channels: Channels) -> None:
        self._sms: Sms = channels.sms
        self._config: AwsSns = channels.aws_sns

    def send(self, delivery: Delivery) -> Receipt:
        """Hand one SMS to SNS.

        Raises:
            DeliveryFailed: ambiguous after a timeout, a broken connection or a 5xx.
        """
        seconds_to_live(delivery, self._sms.validity_s)  # SNS has no validity period: only an expired one is told
        text = fit(sms_body(delivery), self._sms.max_segments)
        urgent = delivery.priority in ("high", "critical")
        attributes = {"AWS.SNS.SMS.SMSType": "Transactional" if urgent else "Promotional"}
        if self._config.sender_id:
            attributes["AWS.SNS.SMS.SenderID"] = self._config.sender_id
        number = phone_number(delivery.recipient)
        began = time.monotonic()
        answer = self._publish(
            PhoneNumber=number,
            Message=text.text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
        took_s = time.monotonic() - began
        message_id = str(answer["MessageId"])
        log.info("SMS %s was taken by SNS: %s", delivery.delivery_id, message_id)
        cut = ", shortened" if text.shortened else ""
        return Receipt(message_id, "accepted", took_s, f"aws_sns: {text.segments} SMS ({text.alphabet}){cut}")

    def reconcile(self, delivery: Delivery, started_at: datetime) -> Receipt | None:
        """SNS keeps no list of messages: always ambiguous."""
        raise perhaps_sent("AWS SNS", "cannot be asked what became of the message")

    def _publish(self, **message: Any) -> dict[str, Any]:
        from botocore import exceptions as aws

        if not self._config.region:
            raise DeliveryFailed("configuration", "SMS over AWS SNS needs AWS_SNS_REGION")
        try:
            answer: dict[str, Any] = _client_of(os.getpid(), self._config).publish(**message)
        except aws.ClientError as error:
            raise _refused(error) from None
        except (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError) as error:
            raise not_sent("AWS SNS", f"cannot be reached: {type(error).__name__}") from None
        except aws.HTTPClientError as error:
            if isinstance(error, aws.SSLError) and tls_never_began(error):
                raise not_sent("AWS SNS", "has a certificate that is not trusted") from None
            raise perhaps_sent("AWS SNS", f"did not answer ({type(error).__name__})") from None
        except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.NoRegionError) as error:
            raise DeliveryFailed("configuration", f"AWS SNS: {error}") from None
        except aws.ParamValidationError as error:
            raise DeliveryFailed("permanent", f"AWS SNS: {error}") from None
        except aws.BotoCoreError as error:
            raise DeliveryFailed("configuration", f"AWS SNS: {error}") from None
        except ValueError as error:  # an address of the API that is none
            raise DeliveryFailed("configuration", f"AWS SNS: {error}") from None
        return answer


def _refused(error: ClientError) -> DeliveryFailed:
    code = str(error.response.get("Error", {}).get("Code", ""))
    said = str(error.response.get("Error", {}).get("Message", ""))
    answer: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    status = int(answer.get("HTTPStatusCode", 0))
    reason = f"AWS SNS answered {status} {code}: {said}"
    if code in _BUSY or status == 429:
        wait_s = retry_after_s(answer.get("HTTPHeaders", {}).get("retry-after"))
        return not_sent("AWS SNS", f"is busy ({code})", retry_after_s=wait_s, status=status)
    if code == "OptedOut" or "opted out" in said.lower():
        return DeliveryFailed("permanent", "the number has opted out", status=status, disables_recipient=True)
    if code in _PERMANENT:
        return DeliveryFailed("permanent", reason, status=status)
    if status >= 500:
        return perhaps_sent("AWS SNS", f"answered {status} {code}", status=status)
    # Wrong keys, missing rights, an account in the sandbox: nothing about this one message.
    return DeliveryFailed("configuration", reason, status=status)


@lru_cache(maxsize=8)
def _client_of(_process: int, config: AwsSns) -> Any:
    import boto3
    from botocore.config import Config

    # A session of its own: boto3's default one must not be shared by threads while a client is being made.
    return boto3.session.Session().client(
        "sns",
        region_name=config.region,
        aws_access_key_id=config.access_key_id,
        aws_secret_access_key=config.secret_access_key.get_secret_value() if config.secret_access_key else None,
        aws_session_token=config.session_token.get_secret_value() if config.session_token else None,
        endpoint_url=config.base_url,
        config=Config(
            connect_timeout=config.timeout_s,
            read_timeout=config.timeout_s,
            # boto3 would repeat a publish that may have been taken.
            retries={"total_max_attempts": 1},
            max_pool_connections=20,
        ),
    )
