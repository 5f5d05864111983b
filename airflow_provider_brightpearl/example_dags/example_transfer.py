"""Records to a file, and the rows of a file to Salesforce."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_brightpearl.compat import DAG, Param
from airflow_provider_brightpearl.operators.transfer import (
    BrightpearlToObjectStorageOperator,
    SalesforceUpsertOperator,
)

with DAG(
    dag_id="example_brightpearl_transfer",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"folder": Param("s3://my-bucket/brightpearl", type="string", description="Folder of the files")},
    tags=["brightpearl-sync", "example"],
) as dag:
    # [START howto_brightpearl_to_object_storage_operator]
    orders = BrightpearlToObjectStorageOperator(
        task_id="orders",
        path="{{ params.folder }}/orders.parquet",
        stream="sales_orders",
        start="{{ (dag_run.start_date - macros.timedelta(days=7)).isoformat() }}",
    )
    # [END howto_brightpearl_to_object_storage_operator]

    # [START howto_brightpearl_search_to_object_storage]
    contacts = BrightpearlToObjectStorageOperator(
        task_id="contacts",
        path="{{ params.folder }}/contacts.jsonl",
        search="contact-service/contact-search",
        columns=["contactId", "primaryEmail"],
        filters={"isSupplier": "false"},
        resource="contact-service/contact",
        query={"includeOptional": "customFields"},
    )
    # [END howto_brightpearl_search_to_object_storage]

    # [START howto_salesforce_upsert_operator]
    accounts = SalesforceUpsertOperator(
        task_id="accounts",
        path="{{ params.folder }}/accounts.csv",
        object_name="Account",
        external_id_field="Brightpearl_Id__c",
        max_refused=10,
    )
    # [END howto_salesforce_upsert_operator]

    [orders, contacts] >> accounts
