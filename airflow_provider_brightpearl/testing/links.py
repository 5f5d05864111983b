"""Faults of what records refer to: a parent that is not in the target yet, and one that was merged there."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_provider_brightpearl.testing.fault import Injection
from airflow_provider_brightpearl.testing.records import ORDERS

if TYPE_CHECKING:
    from airflow_provider_brightpearl.testing.trial import Trial

_MERGE = """\
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:u="urn:partner.soap.sforce.com"
 xmlns:o="urn:sobject.partner.soap.sforce.com"><soapenv:Header><u:SessionHeader><u:sessionId>{token}</u:sessionId>
</u:SessionHeader></soapenv:Header><soapenv:Body><u:merge><u:request><u:masterRecord><o:type>Account</o:type>
<o:Id>{survivor}</o:Id></u:masterRecord><u:recordToMergeIds>{loser}</u:recordToMergeIds></u:request></u:merge>
</soapenv:Body></soapenv:Envelope>"""


class ParentMissing(Injection):
    """The customer of the newest order is in the target, and the flow that writes it has not linked it yet."""

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream == ORDERS

    def begin(self, trial: Trial) -> None:
        newest = trial.place.sandbox.snapshot("brightpearl", "order")[-1]
        of_parent = (trial.flow, str(newest["parties"]["customer"]["contactId"]))
        with closing(_database(trial)) as database, database:
            database.row_factory = sqlite3.Row
            found = database.execute("SELECT * FROM bp_binding WHERE flow <> ? AND source_id = ?", of_parent)
            self._held = [dict(row) for row in found]
            database.execute("DELETE FROM bp_binding WHERE flow <> ? AND source_id = ?", of_parent)

    def end(self, trial: Trial) -> None:
        with closing(_database(trial)) as database, database:
            for row in self._held:
                names, places = ", ".join(row), ", ".join(f":{name}" for name in row)
                database.execute(f"INSERT INTO bp_binding ({names}) VALUES ({places})", row)  # noqa: S608

    _held: list[dict[str, Any]]


class ParentMerged(Injection):
    """The account of the newest order is merged into that of another customer, for good."""

    lasts = True

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream == ORDERS and target == "salesforce"

    def begin(self, trial: Trial) -> None:
        sandbox = trial.place.sandbox
        contact = str(sandbox.snapshot("brightpearl", "order")[-1]["parties"]["customer"]["contactId"])
        linked = {row["Brightpearl_Id__c"]: row["Id"] for row in sandbox.snapshot("salesforce", "Account")}
        survivor = next(each for key, each in linked.items() if key and key != contact)
        login = {"grant_type": "client_credentials", "client_id": "sandbox-consumer-key"}
        login["client_secret"] = "sandbox-consumer-secret"  # noqa: S105 - opens the sandbox
        answer = _post(f"{sandbox.url}/services/oauth2/token", urlencode(login))
        token = json.loads(answer)["access_token"]
        body = _MERGE.format(token=token, survivor=survivor, loser=linked[contact])
        answer = _post(f"{sandbox.url}/services/Soap/u/59.0", body)
        if b"<success>true" not in answer:
            raise RuntimeError(f"the accounts cannot be merged: {answer.decode()}")


def _database(trial: Trial) -> sqlite3.Connection:
    return sqlite3.connect(Path(trial.place.database_url.split("///", 1)[1]))


def _post(url: str, body: str) -> bytes:
    kind = "text/xml" if body.startswith("<") else "application/x-www-form-urlencoded"
    headers = {"Content-Type": kind, "SOAPAction": '""'}
    request = urllib.request.Request(url, body.encode(), headers)  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        found: bytes = answer.read()
        return found
