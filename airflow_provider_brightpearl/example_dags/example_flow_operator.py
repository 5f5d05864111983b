"""Flows as tasks of a DAG of your own: customers first, then orders."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_brightpearl.compat import DAG, Param
from airflow_provider_brightpearl.operators.flow import BrightpearlToSalesforceOperator, FlowOperator

with DAG(
    dag_id="example_brightpearl_flows",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={
        "ids": Param(
            None,
            type=["array", "null"],
            items={"type": "string"},
            description="Orders to send again; all if empty",
        )
    },
    tags=["brightpearl-sync", "example"],
) as dag:
    # [START howto_flow_operator]
    customers = FlowOperator(
        task_id="customers",
        flow="customers_to_salesforce",
        start="{{ (dag_run.start_date - macros.timedelta(days=7)).isoformat() }}",
        skip_if_empty=False,
    )
    # [END howto_flow_operator]

    # [START howto_brightpearl_to_salesforce_operator]
    orders = BrightpearlToSalesforceOperator(
        task_id="orders",
        flow="orders_to_salesforce",
        source_conn_id="brightpearl_default",
        target_conn_id="salesforce_default",
        ids="{{ params.ids }}",
    )
    # [END howto_brightpearl_to_salesforce_operator]

    customers >> orders
