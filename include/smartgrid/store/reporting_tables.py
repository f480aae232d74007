"""Recent measurements in the store, where reports compare them with forecasts. The lake keeps all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Float, String, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from smartgrid.fields import LOAD_KW, TEMPERATURE_C, TIME, ZONE
from smartgrid.store.models import Base, UtcDateTime

_ROWS_A_STATEMENT = 5000


class MeasuredLoad(Base):
    """One validated reading of one zone."""

    __tablename__ = "measured_loads"

    zone: Mapped[str] = mapped_column(String(128), primary_key=True, comment=ZONE.meaning)
    time: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True, comment=TIME.meaning)
    load_kw: Mapped[float] = mapped_column(Float, comment=LOAD_KW.meaning)
    temperature_c: Mapped[float | None] = mapped_column(Float, comment=TEMPERATURE_C.meaning)


def keep_recent_loads(session: Session, rows: Iterable[Mapping[str, Any]], newest: datetime, days: int) -> None:
    """Insert or correct readings (`zone, time, load_kw, temperature_c`), and drop those over `days` before `newest`."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert = dialect.insert(MeasuredLoad)
    statement = insert.on_conflict_do_update(
        index_elements=["zone", "time"],
        set_={"load_kw": insert.excluded.load_kw, "temperature_c": insert.excluded.temperature_c},
    )
    waiting = list(rows)
    for start in range(0, len(waiting), _ROWS_A_STATEMENT):
        session.execute(statement, waiting[start : start + _ROWS_A_STATEMENT])
    session.execute(delete(MeasuredLoad).where(MeasuredLoad.time < newest - timedelta(days=days)))
