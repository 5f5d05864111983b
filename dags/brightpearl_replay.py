from airflow_provider_brightpearl.dag import replay_dag

dag = replay_dag(is_paused_upon_creation=False)
