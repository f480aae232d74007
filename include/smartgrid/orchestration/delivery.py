"""When `deliver_notifications` runs, and how its work is shared out."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable

from smartgrid.settings import get_settings

WITHIN_S = 240.0


def delivery_schedule(asset: Asset) -> Any:
    """On the asset, and by the cron of `SMARTGRID_DELIVER_SCHEDULE` if there is one."""
    cron = get_settings().deliver_schedule
    if cron is None:
        return [asset]
    return AssetOrTimeSchedule(timetable=CronTriggerTimetable(cron, timezone="UTC"), assets=[asset])


def deliveries(due: dict[str, Any]) -> list[dict[str, Any]]:
    """Arguments of `notifications.deliver`, one for each worker that the step `notifications.due` asks for."""
    return [{"within_s": WITHIN_S} for _ in range(int(due["workers"]))]
