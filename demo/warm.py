"""Loads, in Airflow's scheduler, what every task needs.

The scheduler's workers and their tasks are forks of it, so what it has loaded, they have: a task starts in a
tenth of the time. Airflow runs this file when a component starts, as ``airflow_local_settings`` in its home.
"""

import sys
import warnings
from importlib import import_module

MODULES = (
    "airflow.dag_processing.dagbag",
    "airflow.sdk.execution_time.task_runner",
    "airflow.serialization.serialized_objects",
    "airflow_provider_brightpearl.dag",
    "airflow_provider_brightpearl.hooks.brightpearl",
    "airflow_provider_brightpearl.hooks.infor",
    "airflow_provider_brightpearl.hooks.salesforce",
    "airflow_provider_brightpearl.runtime.run",
    "airflow_provider_brightpearl.gates.evaluation",
    "sqlglot.dialects.duckdb",
    "upath.implementations.local",
)

if sys.argv[1:2] == ["scheduler"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in MODULES:
            import_module(name)
