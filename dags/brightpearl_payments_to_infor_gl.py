from airflow_provider_brightpearl.dag import sync_dag

dag = sync_dag("payments_to_infor_gl", is_paused_upon_creation=True)
