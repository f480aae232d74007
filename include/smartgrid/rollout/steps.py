"""Step of this room: make a registered version the one that serves."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smartgrid.registry import versions as registry
from smartgrid.registry.versions import RegisteredVersion
from smartgrid.rollout import ledger
from smartgrid.rollout.errors import PromotionAborted, RefusedByGates, ServedPredictionsDiffer
from smartgrid.rollout.known_answers import check_known_answers
from smartgrid.rollout.repository_change import RepositoryChange
from smartgrid.savedmodel.assets import KnownAnswers, fingerprint
from smartgrid.serving.client import connect
from smartgrid.serving.errors import ServingError
from smartgrid.settings import get_settings

AVAILABLE_WITHIN_S = 120.0


def publish(
    mlflow_version: int | None = None,
    decided_by: str = "airflow",
    reason: str = "",
    available_within_s: float = AVAILABLE_WITHIN_S,
) -> dict[str, Any]:
    """Serve `mlflow_version` (None: the newest that passed its gates), prove it, and only then record it in the ledger.

    A version below the one in force is a rollback: the higher versions leave the model repository. Repeating it
    changes nothing, and repairs what a crash left undone (repository, alias).

    Raises:
        NothingRegistered: no such version. RefusedByGates: it did not pass them.
        SavedModelDamaged: its files are not what was registered.
        PromotionAborted: the server did not serve it in time, or answered other numbers; it was taken back.
        TrackingServerUnavailable
    """
    settings = get_settings()
    with _one_at_a_time(settings.home):
        version = registry.version(mlflow_version)
        if not version.gate_passed:
            raise RefusedByGates(settings.model_name, version.version, version.run_id)
        in_force = ledger.current(settings.model_name)
        number_in_force = in_force.version if in_force is not None else None
        with tempfile.TemporaryDirectory(prefix="promotion-") as temporary:
            saved_model = _saved_model(version, Path(temporary))
            with RepositoryChange(
                saved_model, settings.model_base_path, version.version, in_force=number_in_force
            ) as change:
                checked_rows = _prove(saved_model, version.version, available_within_s)
                promotion = ledger.append(
                    settings.model_name,
                    version.version,
                    decided_by=decided_by,
                    reason=reason,
                    run_id=version.run_id or None,
                    mlflow_run_id=version.mlflow_run_id or None,
                )
                change.keep()
        registry.set_champion(version.version)
    return {
        "model_name": settings.model_name,
        "version": version.version,
        "previous_version": number_in_force,
        "action": promotion.action,
        "already_in_force": number_in_force == version.version,
        "promotion_id": promotion.promotion_id,
        "run_id": version.run_id,
        "mlflow_run_id": version.mlflow_run_id,
        "winner": version.winner,
        "checked_rows": checked_rows,
    }


def _saved_model(version: RegisteredVersion, folder: Path) -> Path:
    """The registered files: from the run's own folder if they are there unchanged, else from MLflow."""
    local = get_settings().home / "runs" / version.run_id / "saved_model"
    if version.run_id and (local / "saved_model.pb").is_file() and fingerprint(local) == version.saved_model_sha256:
        return local
    return registry.download(version, folder)


def _prove(saved_model: Path, version: int, available_within_s: float) -> int:
    settings = get_settings()
    client = connect()
    try:
        client.wait_available(settings.model_name, version, available_within_s)
        return check_known_answers(client, settings.model_name, version, KnownAnswers.read(saved_model))
    except (ServingError, ServedPredictionsDiffer) as error:
        raise PromotionAborted(settings.model_name, version, str(error)) from error
    finally:
        client.close()


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".promotion.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
