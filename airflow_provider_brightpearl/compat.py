"""Every name whose home differs between Airflow 2.11 and 3.x, looked up when first used.

``from airflow_provider_brightpearl.compat import DAG`` gives the class of the installed Airflow. The newest
home is tried first, so that a current Airflow never sees a deprecated path; nothing else is imported.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_HOMES: dict[str, tuple[str, ...]] = {
    "AirflowException": ("airflow.sdk.exceptions:AirflowException", "airflow.exceptions:AirflowException"),
    "AirflowFailException": (
        "airflow.sdk.exceptions:AirflowFailException",
        "airflow.exceptions:AirflowFailException",
    ),
    "AirflowNotFoundException": (
        "airflow.sdk.exceptions:AirflowNotFoundException",
        "airflow.exceptions:AirflowNotFoundException",
    ),
    "AirflowRescheduleException": (
        "airflow.sdk.exceptions:AirflowRescheduleException",
        "airflow.exceptions:AirflowRescheduleException",
    ),
    "AirflowSkipException": (
        "airflow.sdk.exceptions:AirflowSkipException",
        "airflow.exceptions:AirflowSkipException",
    ),
    "Asset": ("airflow.sdk:Asset", "airflow.datasets:Dataset"),
    "AssetAny": ("airflow.sdk:AssetAny", "airflow.datasets:DatasetAny"),
    "AssetOrTimeSchedule": (
        "airflow.sdk:AssetOrTimeSchedule",
        "airflow.timetables.assets:AssetOrTimeSchedule",
        "airflow.timetables.datasets:DatasetOrTimeSchedule",
    ),
    "BaseHook": ("airflow.sdk:BaseHook", "airflow.hooks.base:BaseHook"),
    "BaseNotifier": ("airflow.sdk:BaseNotifier", "airflow.notifications.basenotifier:BaseNotifier"),
    "BaseOperatorLink": ("airflow.sdk:BaseOperatorLink", "airflow.models.baseoperatorlink:BaseOperatorLink"),
    # on Airflow 2 no trigger starts a DAG by itself
    "BaseEventTrigger": ("airflow.triggers.base:BaseEventTrigger", "airflow.triggers.base:BaseTrigger"),
    "AssetWatcher": ("airflow.sdk:AssetWatcher",),
    "BaseOperator": ("airflow.sdk:BaseOperator", "airflow.models.baseoperator:BaseOperator"),
    "Connection": ("airflow.sdk:Connection", "airflow.models.connection:Connection"),
    "BaseSensorOperator": ("airflow.sdk:BaseSensorOperator", "airflow.sensors.base:BaseSensorOperator"),
    "BaseTrigger": ("airflow.triggers.base:BaseTrigger",),
    "CronDataIntervalTimetable": (
        "airflow.sdk:CronDataIntervalTimetable",
        "airflow.timetables.interval:CronDataIntervalTimetable",
    ),
    "DAG": ("airflow.sdk:DAG", "airflow.models.dag:DAG"),
    "ObjectStoragePath": ("airflow.sdk:ObjectStoragePath", "airflow.io.path:ObjectStoragePath"),
    "Param": ("airflow.sdk:Param", "airflow.models.param:Param"),
    "RetryDecision": ("airflow.sdk:RetryDecision",),
    "RetryPolicy": ("airflow.sdk:RetryPolicy",),
    "TriggerEvent": ("airflow.triggers.base:TriggerEvent",),
    "XCom": ("airflow.sdk.execution_time.xcom:XCom", "airflow.models.xcom:XCom"),
    "conf": ("airflow.configuration:conf", "airflow.sdk.configuration:conf"),
    "get_fernet": ("airflow.models.crypto:get_fernet", "airflow.sdk.crypto:get_fernet"),
    "mask_secret": (
        "airflow.sdk.log:mask_secret",
        "airflow.sdk.execution_time.secrets_masker:mask_secret",
        "airflow.utils.log.secrets_masker:mask_secret",
    ),
}

# by how much Airflow's major version is ahead of the package's
_PACKAGES = {"apache-airflow": 0, "apache-airflow-core": 0, "apache-airflow-task-sdk": 2}


@cache
def airflow_version() -> tuple[int, int]:
    """Major and minor version of the Airflow that is installed, without importing it.

    A worker may have the task SDK alone, whose 1.0 came with Airflow 3.0.
    """
    for package, ahead in _PACKAGES.items():
        try:
            major, minor = version(package).split(".")[:2]
        except PackageNotFoundError:
            continue
        return int(major) + ahead, int(minor)
    raise PackageNotFoundError("apache-airflow")


def __getattr__(name: str) -> Any:
    for home in _HOMES.get(name, ()):
        module, _, attribute = home.partition(":")
        try:
            value = getattr(import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
