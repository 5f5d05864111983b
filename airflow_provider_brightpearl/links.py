"""Buttons on tasks in Airflow's UI: the page of the gate, the summary of the run, the job or record in the target.

Airflow 3 asks for a link in the worker, right after the task, and keeps the answer; Airflow 2 asks in the web server,
where only XCom is at hand. So an operator notes its addresses with ``keep_link``, which serves both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.compat import BaseOperatorLink, XCom, airflow_version

_GOOGLE, _AMAZON, _LOCAL = ("gs", "gcs"), ("s3", "s3a"), ("", "file", "local")


class SyncLink(BaseOperatorLink):
    """A link whose address the task has kept."""

    name = ""
    key = ""

    @property
    def xcom_key(self) -> str:
        return self.key

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        kept = getattr(operator, "link_addresses", None)
        if kept is not None:
            return str(kept.get(self.key, ""))
        return str(XCom.get_value(ti_key=ti_key, key=self.key) or "")


class GateReportLink(SyncLink):
    """The page of what the gate found."""

    name = "Gate report"
    key = "brightpearl_gate_report"


class RunSummaryLink(SyncLink):
    """The page of what the run did."""

    name = "Run summary"
    key = "brightpearl_run_summary"


class ReconciliationLink(SyncLink):
    """The page of what differs between both systems."""

    name = "Reconciliation"
    key = "brightpearl_reconciliation"


class TargetLink(SyncLink):
    """The last bulk job of a load in its target, or the last record where no job was needed."""

    name = "Records in the target"
    key = "brightpearl_target"


def keep_link(operator: Any, context: Any, link: type[SyncLink], address: str) -> None:
    """Notes the address of a link of a running task; an empty one leaves the button out."""
    if not address:
        return
    operator.link_addresses = {**getattr(operator, "link_addresses", {}), link.key: address}
    # Airflow 3 keeps it itself, and asks for nothing from a task without one
    if airflow_version() < (3, 0):
        context["ti"].xcom_push(key=link.key, value=address)


def keep_page(operator: Any, context: Any, link: type[SyncLink], folder: Any, name: str) -> None:
    """Notes the address of a staged page, if it exists.

    Args:
        operator: the running task.
        context: its context.
        link: the link.
        folder: staging folder of the run, as ``FileStaging.folder``.
        name: of the page in it.
    """
    if (folder / name).exists():
        keep_link(operator, context, link, page_address(folder, name))


def page_address(folder: Any, name: str) -> str:
    """Where a browser finds a staged page: below ``staging_url``, else the object in its cloud, else the file."""
    base = settings.text("staging_url").rstrip("/")
    if base:
        return f"{base}/{quote(f'{folder.parent.name}/{folder.name}/{name}')}"
    page = folder / name
    scheme, path = page.protocol, quote(page.path.lstrip("/"))
    if scheme in _GOOGLE:
        return f"https://storage.cloud.google.com/{path}"
    if scheme in _AMAZON:
        bucket, _, key = path.partition("/")
        return f"https://console.aws.amazon.com/s3/object/{bucket}?prefix={key}"
    return Path(page.path).absolute().as_uri() if scheme in _LOCAL else str(page)
