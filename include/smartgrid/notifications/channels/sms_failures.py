"""Failures that both SMS providers' clients know, by what is certain about the message."""

from __future__ import annotations

from smartgrid.notifications.errors import DeliveryFailed


def not_sent(
    provider: str, problem: str, retry_after_s: float | None = None, status: int | None = None
) -> DeliveryFailed:
    """The request never reached the provider, or was turned away: it may be repeated."""
    return DeliveryFailed("retry", f"{provider} {problem}", retry_after_s=retry_after_s, status=status)


def perhaps_sent(provider: str, problem: str, status: int | None = None) -> DeliveryFailed:
    """The request was under way: repeating it could send, and bill, the message twice."""
    reason = f"{provider} {problem}: it may have taken the message, which is therefore not repeated unasked"
    return DeliveryFailed("ambiguous", reason, status=status)


def tls_never_began(error: BaseException) -> bool:
    """Whether a TLS failure was in the handshake, before any byte of the request."""
    text = str(error).upper()
    return any(sign in text for sign in ("CERTIFICATE", "WRONG_VERSION_NUMBER", "HANDSHAKE"))
