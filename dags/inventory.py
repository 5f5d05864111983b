from airflow_provider_brightpearl.dag import sync_dag

inventory_to_salesforce = sync_dag("inventory_to_salesforce")
inventory_to_infor = sync_dag("inventory_to_infor")
