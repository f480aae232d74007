"""Airflow's half of the authentication of mounted APIs: a mounted application has none of its own."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials

CHALLENGE = {"WWW-Authenticate": "Bearer"}

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)]


async def airflow_viewer(request: Request, credentials: Credentials) -> Any:
    """The user of the bearer token, else of the session cookie; any role that may see Airflow's pages.

    401 without a token and for a bad one (Airflow itself answers 403 to a forged token), 403 without the role.
    """
    try:
        user = await get_user(request, None, credentials)
    except HTTPException as refused:
        raise HTTPException(401, refused.detail, headers=CHALLENGE) from None
    if not get_auth_manager().is_authorized_view(access_view=AccessView.WEBSITE, user=user):
        raise HTTPException(403, "The role viewer is needed.")
    return user
