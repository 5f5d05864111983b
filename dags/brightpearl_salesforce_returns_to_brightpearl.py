from airflow_provider_brightpearl.dag import sync_dag

dag = sync_dag("salesforce_returns_to_brightpearl", is_paused_upon_creation=True)
