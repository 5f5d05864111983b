from airflow_provider_brightpearl.dag import maintenance_dag

dag = maintenance_dag(is_paused_upon_creation=True)
