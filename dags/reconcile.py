from airflow_provider_brightpearl.dag import reconcile_dag

reconcile = reconcile_dag()
