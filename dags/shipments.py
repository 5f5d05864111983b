from airflow_provider_brightpearl.dag import sync_dag

shipments_to_salesforce = sync_dag("shipments_to_salesforce")
shipments_to_infor = sync_dag("shipments_to_infor")
