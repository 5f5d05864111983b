from airflow_provider_brightpearl.dag import events_dag

dag = events_dag(is_paused_upon_creation=True)
