"""Buttons on tasks: where they lead, and that both lines of Airflow find it."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from upath import UPath

from airflow_provider_brightpearl import links
from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.dag import sync_dag
from airflow_provider_brightpearl.get_provider_info import get_provider_info
from airflow_provider_brightpearl.operators.flow import FlowOperator


def test_every_link_is_known_to_airflow():
    classes = [name.rpartition(".") for name in get_provider_info()["extra-links"]]
    found = {getattr(import_module(module), name) for module, _, name in classes}
    assert set(links.SyncLink.__subclasses__()) == found


def test_names_and_keys_are_unlike():
    kinds = links.SyncLink.__subclasses__()
    assert len(kinds) == len({kind.name for kind in kinds}) == len({kind().xcom_key for kind in kinds})


def test_tasks_of_a_flow_have_their_links(mappings):
    dag = sync_dag("orders_to_salesforce", mappings=mappings)
    shown = {task.task_id: [link.name for link in task.operator_extra_links] for task in dag.tasks}
    assert {
        "extract": [],
        "transform": [],
        "gate": ["Gate report"],
        "load": ["Records in the target"],
        "settle": ["Run summary"],
    } == shown


def test_links_outlive_serialization(mappings):
    from airflow.serialization.serialized_objects import SerializedDAG

    dag = sync_dag("orders_to_salesforce", mappings=mappings)
    to_dict = (
        SerializedDAG.to_dict
        if airflow_version() < (3, 2)
        else import_module("airflow.serialization.serialized_objects").DagSerialization.to_dict
    )
    assert "brightpearl_gate_report" in str(to_dict(dag)) or "GateReportLink" in str(to_dict(dag))


class Instance:
    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: str) -> None:
        self.pushed[key] = value


def test_a_kept_address_is_found_in_the_worker_and_by_xcom():
    task, instance = FlowOperator(task_id="x", flow="f"), Instance()
    task.link_addresses = {}
    assert "" == links.GateReportLink().get_link(task, ti_key=instance)
    links.keep_link(task, {"ti": instance}, links.GateReportLink, "https://x/1")
    links.keep_link(task, {"ti": instance}, links.RunSummaryLink, "")
    assert "https://x/1" == links.GateReportLink().get_link(task, ti_key=instance)
    pushed = {"brightpearl_gate_report": "https://x/1"} if airflow_version() < (3, 0) else {}
    assert pushed == instance.pushed


def test_the_web_server_reads_xcom(monkeypatch):
    given: list[Any] = []

    class Kept:
        @staticmethod
        def get_value(**asked: Any) -> str:
            given.append(asked)
            return "https://x/2"

    monkeypatch.setattr(links, "XCom", Kept)
    assert "https://x/2" == links.RunSummaryLink().get_link(SimpleNamespace(), ti_key="key")
    assert [{"ti_key": "key", "key": "brightpearl_run_summary"}] == given


@pytest.mark.parametrize(
    ("folder", "address"),
    [
        ("gs://bucket/staging/f/r~1", "https://storage.cloud.google.com/bucket/staging/f/r~1/gate/page.html"),
        (
            "s3://bucket/staging/f/r~1",
            "https://console.aws.amazon.com/s3/object/bucket?prefix=staging/f/r~1/gate/page.html",
        ),
        ("/tmp/f/r~1", "file:///tmp/f/r~1/gate/page.html"),
    ],
)
def test_pages_are_found_where_staging_lies(folder, address):
    path = UPath(folder) if folder.startswith("/") else CloudFolder(folder)
    assert address == links.page_address(path, "gate/page.html")


class CloudFolder:
    """What a path of a cloud is to a link, without the library of that cloud."""

    def __init__(self, url: str) -> None:
        self.protocol, _, self.path = url.partition("://")

    def __truediv__(self, name: str) -> CloudFolder:
        return CloudFolder(f"{self.protocol}://{self.path}/{name}")


def test_a_web_server_of_ones_own_comes_first(monkeypatch):
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__STAGING_URL", "https://files.example.com/bp/")
    address = links.page_address(UPath("/srv/staging/orders/run~1"), "gate/page.html")
    assert "https://files.example.com/bp/orders/run~1/gate/page.html" == address


def test_only_pages_that_exist_are_kept(tmp_path):
    task = FlowOperator(task_id="x", flow="f")
    task.link_addresses = {}
    links.keep_page(task, {"ti": Instance()}, links.GateReportLink, UPath(tmp_path), "page.html")
    assert {} == task.link_addresses
    (tmp_path / "page.html").write_text("x")
    links.keep_page(task, {"ti": Instance()}, links.GateReportLink, UPath(tmp_path), "page.html")
    assert {"brightpearl_gate_report": (tmp_path / "page.html").as_uri()} == task.link_addresses
