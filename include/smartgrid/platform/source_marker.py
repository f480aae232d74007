"""Which source a home folder belongs to.

Clock, lake and store of two networks must not mix: zones may share names, and the replay clock only moves forward.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from smartgrid.errors import SmartGridError
from smartgrid.lake.files import write_bytes
from smartgrid.settings import Settings


class OtherSourceInHome(SmartGridError):
    """The home folder holds the data of another source."""

    exit_code = 2

    def __init__(self, home: Path, held: str, wanted: str) -> None:
        self.home, self.held, self.wanted = home, held, wanted
        super().__init__(
            f"{home} holds the data of {held}; the settings name {wanted}. Give the new source a folder of its own: "
            '`make stop`, then set `home = "var-mygrid"` at the top of the settings file (or SMARTGRID_HOME).'
        )


def claim_home(settings: Settings) -> None:
    """Note the source of a new home; refuse another one later.

    Raises:
        OtherSourceInHome
    """
    marker = settings.home / "source.json"
    wanted = _described(settings)
    if marker.exists():
        held = json.loads(marker.read_text(encoding="utf-8"))
        if held["digest"] != wanted["digest"]:
            raise OtherSourceInHome(settings.home, held["source"], wanted["source"])
        return
    write_bytes(str(marker), json.dumps(wanted).encode())


def _described(settings: Settings) -> dict[str, str]:
    """What tells sources apart; addresses may hold passwords, so only their digest is kept."""
    source = settings.source
    url = source.url.get_secret_value() if source.url else ""
    parts = [source.kind, str(source.path or ""), url, source.query or ""]
    return {
        "source": f"{source.kind} {source.path or ''}".strip(),
        "digest": hashlib.sha256("|".join(parts).encode()).hexdigest(),
    }
