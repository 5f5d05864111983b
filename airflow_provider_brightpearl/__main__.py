"""``python -m airflow_provider_brightpearl`` is the command ``brightpearl``."""

from airflow_provider_brightpearl.cli.app import main

main()
