from airflow_provider_brightpearl.dag import sync_dag

payments_to_infor_gl = sync_dag("payments_to_infor_gl")
