"""How Power BI can fail. The service's own words are in the message; tokens and secrets never are."""

from __future__ import annotations

from smartgrid.errors import SmartGridError


class PowerBiError(SmartGridError):
    """Root of this room's errors."""


class NotConfigured(PowerBiError):
    """Credentials are missing; everything else of the platform works without them."""

    exit_code = 2

    def __init__(self, missing: list[str]) -> None:
        self.missing = missing
        super().__init__(f"Power BI is not configured: set {', '.join(missing)} (docs/power-bi.md says where from).")


class WrongAddress(PowerBiError):
    """An address would send secrets in the clear, or is none."""

    exit_code = 2

    def __init__(self, name: str, url: str, problem: str) -> None:
        self.name, self.url, self.problem = name, url, problem
        super().__init__(f"POWERBI_{name.upper()} = {url}: {problem}.")


class BadCertificate(PowerBiError):
    """The certificate of the service principal cannot be used."""

    exit_code = 2

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"Certificate {path}: {problem}. It is a PEM file with the private key and the certificate.")


class SignInLibraryMissing(PowerBiError):
    """The package `msal` is not in this environment."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__("The package msal is not in this environment: use the smartgrid command of .venv.")


class SignInRefused(PowerBiError):
    """The sign-in service does not accept the credentials."""

    exit_code = 2

    def __init__(self, error: str, description: str) -> None:
        self.error, self.description = error, description
        hint = "Check POWERBI_CLIENT_ID, POWERBI_TENANT_ID and the secret or certificate."
        if "AADSTS700024" in description:
            hint = "The clock of this machine is wrong: the sign-in service sees an assertion from another time."
        elif "AADSTS7000222" in description:
            hint = "The secret has expired: make a new one and set POWERBI_CLIENT_SECRET."
        super().__init__(f"The sign-in service refused the credentials ({error}): {description} {hint}")


class Unavailable(PowerBiError):
    """The service did not answer, or not properly; the same request may work later."""

    def __init__(self, what: str, problem: str, retry_after_s: float | None = None) -> None:
        self.what, self.problem, self.retry_after_s = what, problem, retry_after_s
        super().__init__(f"{what}: {problem}. Try again later.")


class NotSent(Unavailable):
    """No connection was made: the service cannot have acted on the request."""


class SignInUnreachable(NotSent):
    """No token: the sign-in service is away. A request of the API was not sent."""


class Throttled(Unavailable):
    """HTTP 429: the service refused to act because too much was asked of it."""


class Refused(PowerBiError):
    """The service understood and said no (a status of 400 to 499)."""

    exit_code = 3

    def __init__(self, what: str, status: int, code: str, text: str) -> None:
        self.what, self.status, self.code, self.text = what, status, code, text
        super().__init__(f"{what}: HTTP {status} {code} {text}".strip() + self._advice())

    def _advice(self) -> str:
        return ""


class AccessDenied(Refused):
    """The service principal has no right to do this, or the token is not accepted."""

    exit_code = 2

    def _advice(self) -> str:
        return (
            " Give the service principal access to the workspace, and allow service principals to use Power BI APIs in "
            "the tenant settings."
        )


class NotFound(Refused):
    """There is no such thing, or the service principal may not see it."""

    exit_code = 2

    def _advice(self) -> str:
        return " Check the id, the workspace and the access of the service principal."


class UnknownDataset(PowerBiError):
    """No dataset of this name in the workspace."""

    exit_code = 2

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, known
        super().__init__(f"No dataset {name!r} in the workspace. Datasets: {', '.join(known) or 'none'}.")


class RefreshNotCompleted(PowerBiError):
    """A refresh ended otherwise than completed; `state` says how, `text` is what the service told."""

    exit_code = 3

    def __init__(self, dataset: str, state: str, text: str) -> None:
        self.dataset, self.state, self.text = dataset, state, text
        super().__init__(f"Refresh of dataset {dataset}: {state}. {text}".rstrip())


class RefreshStillOpen(PowerBiError):
    """The wait is over, the end of the refresh is not known: it may still run."""

    def __init__(self, dataset: str, text: str) -> None:
        self.dataset, self.text = dataset, text
        super().__init__(f"Refresh of dataset {dataset} has no known end yet: {text}")


class NoRowLevelRole(PowerBiError):
    """The dataset has row-level security, and the caller's role maps to none of its roles."""

    exit_code = 2

    def __init__(self, role: str, report: str) -> None:
        self.role, self.report = role, report
        super().__init__(
            f"Report {report} shows rows by role, and no row-level role is set for {role}: "
            'set POWERBI_RLS_ROLES, e.g. {"viewer": ["North"]}.'
        )


class ExportNotPossible(PowerBiError):
    """This kind of report cannot be exported in this format."""

    exit_code = 2

    def __init__(self, report: str, file_format: str, problem: str) -> None:
        self.report, self.file_format, self.problem = report, file_format, problem
        super().__init__(f"Report {report} as {file_format}: {problem}")


class ExportFailed(PowerBiError):
    """The export ended without a file."""

    exit_code = 3

    def __init__(self, export_id: str, problem: str) -> None:
        self.export_id, self.problem = export_id, problem
        super().__init__(f"Export {export_id} failed: {problem}")
