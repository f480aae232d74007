"""Where each of Microsoft's clouds has its sign-in service, its REST API and its web application."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cloud:
    """`resource` is what a token is for; the scope of a client's own rights is `<resource>/.default`."""

    authority: str
    resource: str
    api_base: str
    app_base: str

    @property
    def scope(self) -> str:
        return f"{self.resource}/.default"


# GCC signs in with the public cloud; only GCC High and DoD have a sign-in service of their own.
CLOUDS = {
    "public": Cloud(
        "https://login.microsoftonline.com",
        "https://analysis.windows.net/powerbi/api",
        "https://api.powerbi.com",
        "https://app.powerbi.com",
    ),
    "gcc": Cloud(
        "https://login.microsoftonline.com",
        "https://analysis.usgovcloudapi.net/powerbi/api",
        "https://api.powerbigov.us",
        "https://app.powerbigov.us",
    ),
    "gcc_high": Cloud(
        "https://login.microsoftonline.us",
        "https://high.analysis.usgovcloudapi.net/powerbi/api",
        "https://api.high.powerbigov.us",
        "https://app.high.powerbigov.us",
    ),
    "dod": Cloud(
        "https://login.microsoftonline.us",
        "https://mil.analysis.usgovcloudapi.net/powerbi/api",
        "https://api.mil.powerbigov.us",
        "https://app.mil.powerbigov.us",
    ),
    "china": Cloud(
        "https://login.chinacloudapi.cn",
        "https://analysis.chinacloudapi.cn/powerbi/api",
        "https://api.powerbi.cn",
        "https://app.powerbi.cn",
    ),
}
