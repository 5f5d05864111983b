from airflow_provider_brightpearl.dag import sync_dag

dag = sync_dag("salesforce_customers_to_brightpearl", is_paused_upon_creation=True)
