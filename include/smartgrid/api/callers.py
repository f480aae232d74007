"""Who calls an API, and the roles that its routes ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["viewer", "operator", "approver", "admin"]
# Each role may do what the ones before it may.
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Caller:
    """The authenticated user of one request."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


# `require("operator")` is a FastAPI dependency that gives the Caller, or answers 401 or 403.
Require = Callable[[Role], Callable[..., Awaitable[Caller]]]
