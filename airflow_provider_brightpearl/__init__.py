"""Airflow provider that keeps Brightpearl, Salesforce and Infor M3 in step."""

__version__ = "0.1.0"
