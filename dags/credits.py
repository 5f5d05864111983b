from airflow_provider_brightpearl.dag import sync_dag

credits_to_salesforce = sync_dag("credits_to_salesforce")
