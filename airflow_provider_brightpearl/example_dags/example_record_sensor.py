"""Waiting for orders in Brightpearl."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_brightpearl.compat import DAG
from airflow_provider_brightpearl.sensors.brightpearl import BrightpearlRecordSensor

with DAG(
    dag_id="example_brightpearl_record_sensor",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["brightpearl-sync", "example"],
) as dag:
    # [START howto_brightpearl_record_sensor]
    changed = BrightpearlRecordSensor(
        task_id="changed",
        search="order-service/order-search",
        filters={"orderTypeId": "1"},
        changed_since="{{ (dag_run.start_date - macros.timedelta(days=30)).isoformat() }}",
        poke_interval=60,
        timeout=6 * 3600,
    )
    # [END howto_brightpearl_record_sensor]
