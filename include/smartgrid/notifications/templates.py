"""Texts of messages, from Jinja templates in a sandbox: a subject, a full text, and a short one for SMS and push.

Data are only ever values of a template, never a template: what looks like Jinja in the name of a zone is shown as it
is. Texts are plain (no HTML is sent), so nothing is escaped; a subject is one line without control characters.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, FileSystemLoader, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

PACKAGED = Path(__file__).with_name("message_templates")
SUBJECT_LENGTH, SHORT_LENGTH, TEXT_LENGTH = 200, 300, 16_000
KIND = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
# C0 and C1 control characters and the marks that turn the direction of text: a subject becomes a mail header.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rendered:
    """The texts of one message; `short` fits a push message and two segments of SMS."""

    subject: str
    text: str
    short: str


def one_line(text: str, length: int = SUBJECT_LENGTH) -> str:
    """`text` on one line, without control characters, cut to `length`.

    >>> one_line("Load\\r\\nBcc: everyone")
    'Load Bcc: everyone'
    """
    text = " ".join(_CONTROL.sub(" ", text).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def render(template: str, values: Mapping[str, Any], *, folder: Path | None = None, zone: ZoneInfo) -> Rendered:
    """The message of `template` (a name without suffix). A kind without its own template uses the one of any event.

    A template that fails (only one of an operator's own folder can) must not keep the event from being told: the
    plain subject and text of the event are sent instead, and the log says why.
    """
    try:
        parts = {part: _part(template, part, values, folder, zone) for part in ("subject", "text", "short")}
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        log.warning("template %s failed (%s: %s); the plain text is sent", template, type(error).__name__, error)
        subject, text = _plain(values)
        parts = {"subject": subject, "text": text, "short": subject}
    text = re.sub(r"\n{3,}", "\n\n", _CONTROL_BUT_LINES.sub(" ", parts["text"])).strip()
    return Rendered(one_line(parts["subject"]), text[:TEXT_LENGTH], one_line(parts["short"], SHORT_LENGTH))


def template_for(kind: str, folder: Path | None = None) -> str:
    """The template of an event of `kind`."""
    if KIND.fullmatch(kind) and any((place / f"{kind}.j2").is_file() for place in (folder, PACKAGED) if place):
        return kind
    return "_event"


def _part(template: str, part: str, values: Mapping[str, Any], folder: Path | None, zone: ZoneInfo) -> str:
    return environment(folder, zone).get_template(f"{template}.j2").render(**values, part=part)


def _plain(values: Mapping[str, Any]) -> tuple[str, str]:
    event = values.get("event") or (values.get("examples") or [{}])[0]
    subject = str(event.get("subject") or values.get("subject") or "Smart Grid")
    return subject, str(event.get("text") or subject)


@lru_cache(maxsize=8)
def environment(folder: Path | None, zone: ZoneInfo) -> SandboxedEnvironment:
    """The sandbox; templates of `folder` stand before the packaged ones of the same name."""
    places = [FileSystemLoader(place) for place in (folder, PACKAGED) if place is not None]
    made = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader(places),
        autoescape=False,  # plain text only, no HTML is made
        keep_trailing_newline=False,
    )
    made.filters |= {
        "local_time": lambda moment: _local_time(moment, zone),
        "names": names,
        "number": number,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "words": lambda kind: str(kind).replace("_", " "),
    }
    made.globals.clear()  # no range(), lipsum() or cycler(): a template needs none of them
    return made


def check_templates(folder: Path) -> list[str]:
    """Problems of an operator's own templates, one line each."""
    problems = []
    for path in sorted(folder.glob("*.j2")):
        try:
            environment(folder, ZoneInfo("UTC")).get_template(path.name)
        except TemplateNotFound as error:
            problems.append(f"{path.name}: no template {error.name}")
        except TemplateError as error:
            problems.append(f"{path.name}: {error}")
    return problems


def names(listed: Sequence[Any], most: int) -> str:
    """The first `most` names, and how many more there are.

    >>> names(["Z1", "Z2", "Z3"], 2)
    'Z1, Z2 and 1 more'
    """
    shown = ", ".join(one_line(str(name), 80) for name in listed[:most])
    return shown if len(listed) <= most else f"{shown} and {len(listed) - most} more"


def number(value: Any) -> str:
    """A number as people read it.

    >>> number(12345.678), number(0.0421), number(7)
    ('12,346', '0.0421', '7')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return one_line(str(value), 80)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _local_time(moment: Any, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z") if isinstance(moment, datetime) else str(moment)
