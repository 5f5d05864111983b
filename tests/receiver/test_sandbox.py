"""A change in Brightpearl is due in the inbox: webhooks as the command registers them, sent by the sandbox."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from airflow_provider_brightpearl.core.inbox import Topic
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.inbox import SqlInbox
from airflow_provider_brightpearl.systems.brightpearl.webhooks import HookAddress, plan_hooks, take_step
from tests.receiver.place import SECRET, environment, receiver


@pytest.mark.system
def test_a_change_in_the_account_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment(tmp_path)
    with Sandbox(customers=2, products=2, orders=3) as sandbox, receiver(env, tmp_path / "log") as (_, port):
        extra = '{"app_ref": "acmetest_sandbox", "token_kind": "staff"}'
        login = {"conn_type": "brightpearl", "host": sandbox.url, "login": "acmetest", "extra": extra}
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
        monkeypatch.setenv(
            "AIRFLOW_CONN_BRIGHTPEARL_DEFAULT", json.dumps({**login, "password": "sandbox-staff-token"})
        )
        client = BrightpearlHook().client
        address = HookAddress(f"http://127.0.0.1:{port}/brightpearl/events/shop/", SECRET)
        for step in plan_hooks(client, ["order.modified"], address):
            take_step(client, step, address)
        [order] = [row["orderId"] for row in client.search(
            "order-service/order-search", columns=("orderId",), filters={"orderTypeId": "1"}, sort="orderId"
        )][:1]  # fmt: skip
        client.put(f"order-service/order/{order}/status", {"orderStatusId": 4})
        engine = open_engine(f"sqlite:///{tmp_path / 'brightpearl' / 'state.db'}")
        inbox, topic = SqlInbox(engine), Topic("brightpearl", "shop", "sales_orders")
        for _ in range(300):
            if topic in inbox.due():
                break
            time.sleep(0.1)
        take = inbox.take(topic, "run", 10)
        assert take is not None, (tmp_path / "log").read_text()[-3000:]
        assert (str(order),) == take.ids
        assert "order.modified.order-status" == take.records[0].event
        engine.dispose()
