from airflow_provider_brightpearl.dag import sync_dag

customers_to_salesforce = sync_dag("customers_to_salesforce")
customers_to_infor = sync_dag("customers_to_infor")
