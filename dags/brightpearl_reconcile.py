from airflow_provider_brightpearl.dag import reconcile_dag

dag = reconcile_dag(is_paused_upon_creation=True)
