"""Airflow's users and tokens as the authentication of our own APIs.

`airflow_require` is for applications mounted in Airflow (bearer token, else the session cookie of the web interface),
`bearer_require` for those that listen on a port of their own: there a cookie would be sent by any page of this host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from airflow.api_fastapi.app import create_auth_manager, get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.core_api.security import get_user, resolve_user_from_token
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import OperationalError

from smartgrid.api.callers import ROLES, Caller, Role

CHALLENGE = {"WWW-Authenticate": "Bearer"}
RETRY_AFTER_S = 5

bearer_scheme = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="A token of Airflow's auth manager: `POST /auth/token` of Airflow with `username` and `password`, or "
    "`smartgrid platform token`. Expired, revoked and forged tokens are answered with 401.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)]

# Roles of Airflow's simple auth manager, one to one.
SIMPLE_ROLES: dict[str, Role] = {"viewer": "viewer", "user": "operator", "op": "approver", "admin": "admin"}


def airflow_require(role: Role) -> Callable[..., Awaitable[Caller]]:
    """Dependency: the caller by bearer token, else by session cookie. 401 without a user, 403 without the role."""

    async def caller(request: Request, credentials: Credentials) -> Caller:
        return await _caller(role, get_user(request, None, credentials))

    return caller


def bearer_require(role: Role) -> Callable[..., Awaitable[Caller]]:
    """Dependency: the caller by bearer token. 401 without a valid one, 403 without the role."""

    async def caller(credentials: Credentials) -> Caller:
        return await _caller(role, resolve_user_from_token(credentials.credentials if credentials else None))

    return caller


def start_auth_manager() -> None:
    """Make the auth manager of a process that is not Airflow's API server; the server makes its own."""
    manager = create_auth_manager()
    # Its init() would write passwords, and print them: those are the API server's to make.
    if not isinstance(manager, SimpleAuthManager):
        manager.init()


def role_of(user: Any) -> Role | None:
    """The highest role of a user of Airflow, None without any right."""
    manager = get_auth_manager()
    if isinstance(manager, SimpleAuthManager):
        return SIMPLE_ROLES.get((user.role or "").lower())
    # Other managers know permissions, not these roles: ask for what each role is about.
    held: dict[Role, Callable[[], bool]] = {
        "admin": lambda: manager.is_authorized_custom_view(method="PUT", resource_name="Roles", user=user),
        "approver": lambda: manager.is_authorized_pool(method="PUT", user=user),
        "operator": lambda: manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, user=user),
        "viewer": lambda: manager.is_authorized_view(access_view=AccessView.WEBSITE, user=user),
    }
    return next((role for role in reversed(ROLES) if held[role]()), None)


async def _caller(needed: Role, user: Awaitable[Any]) -> Caller:
    try:
        found = await user
        role = role_of(found)
    except HTTPException as refused:
        # Airflow itself answers 403 to a forged token.
        raise HTTPException(401, refused.detail, headers=CHALLENGE) from None
    except OperationalError:
        # Whether a token was revoked is in Airflow's database.
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise HTTPException(503, "Airflow's database does not answer; try again.", headers=headers) from None
    caller = Caller(found.get_name(), role or "viewer")
    if role is None or not caller.may(needed):
        raise HTTPException(403, f"The role {needed} is needed; {caller.name} has {role or 'none'}.")
    return caller
