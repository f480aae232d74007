"""Registered versions, as the rest of the platform sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smartgrid.registry.errors import NothingRegistered
from smartgrid.registry.tracking import client, patiently
from smartgrid.savedmodel.assets import fingerprint
from smartgrid.savedmodel.errors import SavedModelDamaged
from smartgrid.settings import get_settings

CHAMPION = "champion"  # the version that serves
CHALLENGER = "challenger"  # the newest candidate
RUN_ID_TAG = "smartgrid.run_id"
WINNER_TAG = "smartgrid.winner"
GATE_TAG = "smartgrid.gate_passed"
DATA_TAG = "smartgrid.data_sha256"
FINGERPRINT_TAG = "smartgrid.saved_model_sha256"


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of the model and where it comes from."""

    version: int
    mlflow_run_id: str
    run_id: str
    winner: str
    gate_passed: bool
    data_sha256: str
    saved_model_sha256: str
    registered_at: datetime
    aliases: tuple[str, ...]


def versions() -> list[RegisteredVersion]:
    """All versions of the model, newest first.

    Raises:
        TrackingServerUnavailable
    """
    mlflow_client = client()
    name = get_settings().model_name
    found = patiently(lambda: mlflow_client.search_model_versions(f"name='{name}'", max_results=1000))
    if not found:
        return []
    # A search does not tell aliases; the model does.
    by_alias = patiently(lambda: mlflow_client.get_registered_model(name)).aliases
    return sorted((_read(version, by_alias) for version in found), key=lambda version: -version.version)


def version(number: int | None = None) -> RegisteredVersion:
    """The version with this number; None: the newest that passed its gate.

    Raises:
        NothingRegistered, TrackingServerUnavailable
    """
    for candidate in versions():
        if candidate.version == number or (number is None and candidate.gate_passed):
            return candidate
    raise NothingRegistered(get_settings().model_name, number)


def download(registered: RegisteredVersion, folder: Path) -> Path:
    """Download the SavedModel of a version into `folder`, check its fingerprint and return its path.

    Raises:
        SavedModelDamaged: it is not what was registered. TrackingServerUnavailable.
    """
    import mlflow

    name = get_settings().model_name
    client()
    model = Path(
        patiently(
            lambda: mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{name}/{registered.version}", dst_path=str(folder)
            )
        )
    )
    saved_model = model / "artifacts" / "saved_model"
    if not saved_model.is_dir():
        raise SavedModelDamaged(saved_model, f"version {registered.version} holds no SavedModel")
    if fingerprint(saved_model) != registered.saved_model_sha256:
        raise SavedModelDamaged(saved_model, f"is not what was registered as version {registered.version}")
    return saved_model


def set_champion(number: int) -> None:
    """Point the alias `champion` at a version, which then challenges nobody any more; safe to repeat."""
    mlflow_client, name = client(), get_settings().model_name
    patiently(lambda: mlflow_client.set_registered_model_alias(name, CHAMPION, str(number)))
    aliases = patiently(lambda: mlflow_client.get_registered_model(name)).aliases
    if aliases.get(CHALLENGER) is not None and int(aliases[CHALLENGER]) == number:
        patiently(lambda: mlflow_client.delete_registered_model_alias(name, CHALLENGER))


def set_challenger(number: int) -> None:
    """Point the alias `challenger` at a version, unless it serves or a newer candidate has the alias."""
    mlflow_client, name = client(), get_settings().model_name
    aliases = patiently(lambda: mlflow_client.get_registered_model(name)).aliases
    if int(aliases.get(CHAMPION, 0)) != number and int(aliases.get(CHALLENGER, 0)) < number:
        patiently(lambda: mlflow_client.set_registered_model_alias(name, CHALLENGER, str(number)))


def _read(found: Any, by_alias: dict[str, str]) -> RegisteredVersion:
    tags = found.tags or {}
    return RegisteredVersion(
        version=int(found.version),
        mlflow_run_id=found.run_id or "",
        run_id=tags.get(RUN_ID_TAG, ""),
        winner=tags.get(WINNER_TAG, ""),
        gate_passed=tags.get(GATE_TAG) == "true",
        data_sha256=tags.get(DATA_TAG, ""),
        saved_model_sha256=tags.get(FINGERPRINT_TAG, ""),
        registered_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        aliases=tuple(sorted(alias for alias, number in by_alias.items() if int(number) == int(found.version))),
    )
