from airflow_provider_brightpearl.dag import sync_dag

orders_to_salesforce = sync_dag("orders_to_salesforce")
orders_to_infor = sync_dag("orders_to_infor")
