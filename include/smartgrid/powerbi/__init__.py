"""Power BI: datasets that refresh once after each pipeline, embed tokens, exports."""

from __future__ import annotations


def get_powerbi_access_token() -> str:
    """An access token for the Power BI REST API, from the settings `POWERBI_*`.

    Raises:
        NotConfigured: it says which settings are missing.
        SignInRefused, SignInUnreachable
    """
    # The library of the sign-in service is imported when a token is wanted, not before.
    from smartgrid.powerbi.access import Access
    from smartgrid.powerbi.tokens import TokenSource

    return TokenSource(Access.from_settings()).token()


__all__ = ["get_powerbi_access_token"]
