"""What this package adds to Airflow's web server: the receiver of events.

Every Airflow process loads this, so it imports next to nothing; what is mounted builds itself with its first request.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.receiver.asgi import PREFIX, EventsApp


class _OnAirflow2:
    """Blueprints of the webserver of Airflow 2.11, built when that asks for them, and not by other processes."""

    def __get__(self, instance: object | None, owner: type) -> list[Any]:
        if instance is None or airflow_version() >= (3, 0):
            return []
        from airflow_provider_brightpearl.receiver.wsgi import airflow_blueprint

        return [airflow_blueprint()]


class BrightpearlPlugin(AirflowPlugin):  # noqa: D101 - Airflow shows the module's text
    name = "brightpearl"
    fastapi_apps = [{"app": EventsApp(), "url_prefix": PREFIX, "name": "Brightpearl events"}]
    flask_blueprints = _OnAirflow2()
