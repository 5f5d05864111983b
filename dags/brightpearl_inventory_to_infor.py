from airflow_provider_brightpearl.dag import sync_dag

dag = sync_dag("inventory_to_infor", is_paused_upon_creation=True)
