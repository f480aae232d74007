"""Which model versions may answer: the promoted one, and the one before it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from smartgrid.features.schema import FeatureSchema
from smartgrid.settings import Settings
from smartgrid.store import session
from smartgrid.store.models import Promotion

SCHEMA_FILE = "assets.extra/feature_schema.json"


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version on the model server and the features that it takes."""

    version: int
    schema: FeatureSchema
    method: str


def served_versions(settings: Settings) -> list[ServedVersion]:
    """Versions of the ledger, newest decision first, that are still in the model repository."""
    with session() as transaction:
        ledger = transaction.scalars(
            select(Promotion.version)
            .where(Promotion.model_name == settings.model_name)
            .order_by(Promotion.promotion_id.desc())
        ).all()
    found: list[ServedVersion] = []
    for version in dict.fromkeys(ledger):
        path = settings.model_base_path / str(version) / SCHEMA_FILE
        if not path.is_file():
            continue
        schema = FeatureSchema.model_validate_json(path.read_text(encoding="utf-8"))
        found.append(ServedVersion(version, schema, "previous_version" if found else "stable_model"))
        if len(found) == 2:
            break
    return found
