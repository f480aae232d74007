"""What can go wrong with notifications."""

from __future__ import annotations

from smartgrid.errors import SmartGridError
from smartgrid.notifications.channel import FailureKind


class NotificationError(SmartGridError):
    """Root of the failures of this room."""


class DeliveryFailed(NotificationError):
    """A channel could not hand over a message; `kind` says what the worker does about it.

    retry: by the schedule, not before `retry_after_s`. permanent: dead letter. configuration: dead letter, and every
    other message of the channel would fail alike until an operator acts. ambiguous: the provider may have taken it;
    it is reconciled and never blindly repeated. `disables_recipient`: the provider says that this recipient is gone
    (410, unregistered token), so its other messages die, too. `status`: the provider's HTTP status, if there was one.
    """

    def __init__(
        self,
        kind: FailureKind,
        reason: str,
        *,
        retry_after_s: float | None = None,
        status: int | None = None,
        disables_recipient: bool = False,
    ) -> None:
        self.kind, self.reason, self.status = kind, reason, status
        self.retry_after_s, self.disables_recipient = retry_after_s, disables_recipient
        super().__init__(f"{reason} ({kind})")


class UnknownNotification(NotificationError):
    """No notification has this id."""

    exit_code = 2

    def __init__(self, notification_id: str) -> None:
        self.notification_id = notification_id
        super().__init__(f"No notification {notification_id!r}: never accepted, or older than what is kept.")


class UnknownDelivery(NotificationError):
    """No delivery has this id."""

    exit_code = 2

    def __init__(self, delivery_id: str) -> None:
        self.delivery_id = delivery_id
        super().__init__(f"No delivery {delivery_id!r}: never accepted, or older than what is kept.")


class NothingToCancel(NotificationError):
    """Every delivery of a notification is under way or finished."""

    exit_code = 2

    def __init__(self, notification_id: str) -> None:
        self.notification_id = notification_id
        super().__init__(f"Notification {notification_id} is under way or finished: nothing is left to cancel.")


class NotADeadLetter(NotificationError):
    """Only a dead letter can be replayed."""

    exit_code = 2

    def __init__(self, delivery_id: str, state: str) -> None:
        self.delivery_id, self.state = delivery_id, state
        super().__init__(f"Delivery {delivery_id} is {state}, not dead: only dead letters are replayed.")


class UnknownRecipient(NotificationError):
    """A notification names a registered endpoint or subscription that is not there, or is disabled."""

    exit_code = 2

    def __init__(self, recipient: str, problem: str) -> None:
        self.recipient, self.problem = recipient, problem
        super().__init__(f"Recipient {recipient!r} {problem}.")


class UnknownEndpoint(NotificationError):
    """No webhook endpoint has this id."""

    exit_code = 2

    def __init__(self, endpoint_id: str) -> None:
        self.endpoint_id = endpoint_id
        super().__init__(f"No endpoint {endpoint_id!r}.")


class EndpointNameTaken(NotificationError):
    """Another endpoint has this name."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"An endpoint {name!r} exists: choose another name, or change that one.")


class UnknownSubscription(NotificationError):
    """No push subscription has this id."""

    exit_code = 2

    def __init__(self, subscription_id: str) -> None:
        self.subscription_id = subscription_id
        super().__init__(f"No subscription {subscription_id!r}.")


class KeyReused(NotificationError):
    """An Idempotency-Key came again with another body."""

    exit_code = 2

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"Idempotency-Key {key!r} was used with another body. Use a new key for a new request.")


class OutboxFull(NotificationError):
    """More requests wait for the store than can be answered in time."""

    def __init__(self, waiting: int, retry_after_s: float) -> None:
        self.waiting, self.retry_after_s = waiting, retry_after_s
        super().__init__(f"{waiting} requests wait for the store. Try again in {retry_after_s:g} s.")


class StoreUnavailable(NotificationError):
    """The store did not take a notification: nothing was accepted."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The store did not take it ({problem}). Nothing was accepted: try again.")


class SecretUnreadable(NotificationError):
    """A stored secret cannot be decrypted with the keys at hand."""

    exit_code = 2

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            f"The stored secret of {what} cannot be decrypted: SMARTGRID_OUTBOX__KEYS lacks the key that encrypted it."
        )
