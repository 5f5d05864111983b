from airflow_provider_brightpearl.dag import sync_dag

products_to_salesforce = sync_dag("products_to_salesforce")
products_to_infor = sync_dag("products_to_infor")
