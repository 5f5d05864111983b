"""MI transactions of Infor M3."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_brightpearl.compat import DAG
from airflow_provider_brightpearl.operators.infor import InforTransactionOperator

with DAG(
    dag_id="example_infor_transaction",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    render_template_as_native_obj=True,
    tags=["brightpearl-sync", "example"],
) as dag:
    # [START howto_infor_transaction_operator]
    warehouses = InforTransactionOperator(
        task_id="warehouses",
        program="MMS005MI",
        transaction="LstWarehouses",
        record={},
        columns=["WHLO", "WHNM"],
    )
    # [END howto_infor_transaction_operator]

    # [START howto_infor_transaction_operator_bulk]
    details = InforTransactionOperator(
        task_id="details",
        program="MMS005MI",
        transaction="GetWarehouse",
        records="{{ ti.xcom_pull(task_ids='warehouses') }}",
        columns=["WHLO", "FACI"],
        max_refused=5,
    )
    # [END howto_infor_transaction_operator_bulk]

    warehouses >> details
