from airflow_provider_brightpearl.dag import sync_dag

dag = sync_dag("placed_orders_to_salesforce", is_paused_upon_creation=True)
