"""What the org lacks is deployed into it once, by the Metadata API."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import salesforce as command
from airflow_provider_brightpearl.errors import Misconfigured, SchemaMismatch
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.metadata.compare import SOURCE, compare, wanted_fields
from airflow_provider_brightpearl.systems.salesforce.metadata.deploy import (
    Deployed,
    assign,
    assigned,
    deploy,
    deployable,
    package,
)
from tests.systems.live import salesforce, switch

META = "http://soap.sforce.com/2006/04/metadata"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1, settings={"salesforce": {"bare": True}}) as sandbox:
        yield sandbox


@pytest.fixture
def org(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def client(org: Sandbox) -> SalesforceClient:
    return salesforce(org)


def lacking(client: SalesforceClient) -> list[str]:
    return [str(finding) for finding in compare(wanted_fields(), client.describe)]


def deployed(client: SalesforceClient, content: bytes) -> Deployed:
    return deploy(client, content, sleep=lambda seconds: None)


def test_an_org_without_anything_gets_all_of_it_once(client: SalesforceClient) -> None:
    findings = compare(wanted_fields(), client.describe)
    wanted, others = deployable(findings)
    assert ([], set()) == (others, wanted["Brightpearl_Shipment__c"])
    assert {"Brightpearl_Id__c"} == wanted["Account"]
    done = deployed(client, package(wanted))
    assert (True, "Succeeded", set()) == (
        done.success,
        done.status,
        {o.name for o in done.outcomes if o.problem},
    )
    fields = {outcome.name for outcome in done.outcomes if outcome.kind == "CustomField"}
    assert {f"{field.object}.{field.name}" for field in wanted_fields()} == fields
    assert {True} == {outcome.created for outcome in done.outcomes}
    # fields that were deployed are not seen before somebody may see them
    assert any(line.startswith("Order.Net__c: not found") for line in lacking(client))
    assert assigned(client, "") is False
    assign(client, "")
    assert ([], True) == (lacking(client), assigned(client, ""))


def test_a_second_deployment_changes_nothing(client: SalesforceClient) -> None:
    wanted, _ = deployable(compare(wanted_fields(), client.describe))
    deployed(client, package(wanted))
    again = deployed(client, package(wanted))
    assert {"unchanged"} == {outcome.word for outcome in again.outcomes}


def test_only_what_is_missing_goes_along() -> None:
    with zipfile.ZipFile(io.BytesIO(package({"Order": {"Net__c"}}))) as archive:
        assert ["objects/Order.object", "permissionsets/Brightpearl_Sync.permissionset", "package.xml"] == (
            archive.namelist()
        )
        assert "<members>Order.Net__c</members>" in archive.read("package.xml").decode()
        assert 1 == archive.read("objects/Order.object").decode().count("<fields>")


def test_a_field_that_is_too_short_is_left_to_a_person(client: SalesforceClient) -> None:
    findings = compare(wanted_fields(), lambda name: _with_short_key(client.describe(name)))
    _, others = deployable(findings)
    assert all("holds 3 characters" in finding.problem for finding in others)


def _with_short_key(described: dict[str, Any]) -> dict[str, Any]:
    key = {"name": "Brightpearl_Id__c", "type": "string", "length": 3, "externalId": True, "unique": True,
           "createable": True, "referenceTo": []}  # fmt: skip
    return {**described, "fields": [*described["fields"], key]}


def test_a_standard_object_that_is_not_there_is_for_setup() -> None:
    with pytest.raises(Misconfigured, match="Order is not in this org"):
        package({"Order": set()})


def test_a_user_who_is_not_there_is_named(client: SalesforceClient) -> None:
    with pytest.raises(Misconfigured, match="no user o'hara@acme.example"):
        assigned(client, "o'hara@acme.example")


# refusals


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def of_account(field: str, members: str = "Account.A__c") -> bytes:
    return zipped(**{
        "package.xml": f'<Package xmlns="{META}"><types><members>{members}</members><name>CustomField</name></types>'
        "<version>62.0</version></Package>",
        "objects/Account.object": f'<CustomObject xmlns="{META}"><fields><fullName>A__c</fullName><label>A</label>'
        f"{field}</fields></CustomObject>",
    })  # fmt: skip


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (
            of_account("<type>Txt</type>"),
            "Account.A__c",
            "'Txt' is not a valid value for the enum 'FieldType'",
        ),
        (of_account("<type>Text</type>"), "Account.A__c", "Must specify 'length'"),
        (
            of_account("<type>Number</type><precision>3</precision><scale>5</scale>"),
            "Account.A__c",
            "scale must not",
        ),
        (
            of_account("<type>Lookup</type><referenceTo>No__c</referenceTo>"),
            "Account.A__c",
            "does not resolve",
        ),
        (of_account("<type>Date</type>", "Account.B__c"), "Account.A__c", "Not in package.xml"),
        (of_account("<type>Date</type>", "Account.B__c"), "Account.B__c", "is not in the zip file"),
    ],
)
def test_components_that_are_refused_are_named(
    client: SalesforceClient, content: bytes, name: str, problem: str
) -> None:
    done = deployed(client, content)
    told = {outcome.name: outcome.problem for outcome in done.outcomes if outcome.problem}
    assert ("Failed", False) == (done.status, done.success)
    assert problem in told[name]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no zip", "The zip file is not valid"),
        (zipped(**{"objects/Account.object": "<x/>"}), "No package.xml found"),
        (zipped(**{"package.xml": "<Package"}), "Error parsing file"),
        (zipped(**{"package.xml": f'<Package xmlns="{META}"/>'}), "version is missing"),
        (
            zipped(
                **{"package.xml": f'<Package xmlns="{META}"><version>62.0</version></Package>', "a.txt": ""}
            ),
            "a.txt",
        ),
    ],
)
def test_what_is_no_package_is_refused_whole(client: SalesforceClient, content: bytes, problem: str) -> None:
    done = deployed(client, content)
    assert (False, ()) == (done.success, done.outcomes)
    assert problem in done.error


def test_one_refusal_takes_all_back(client: SalesforceClient, tmp_path: Path) -> None:
    before = lacking(client)
    source = tmp_path / "source"
    for file in (SOURCE / "force-app").rglob("*.xml"):
        copy = source / file.relative_to(SOURCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text().replace("<type>LongTextArea</type>", "<type>Novel</type>"))
    wanted, _ = deployable(compare(wanted_fields(), client.describe))
    done = deployed(client, package(wanted, source))
    told = {outcome.name for outcome in done.outcomes if outcome.problem}
    # the permission set grants the field that could not be made
    assert {"Product2.Brightpearl_Stock_Sources__c", "Brightpearl_Sync"} == told
    assert (False, before, None) == (done.success, lacking(client), assigned(client, ""))


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_an_upload_of_another_shape_is_refused(client: SalesforceClient, content_type: str) -> None:
    with pytest.raises(SchemaMismatch):
        client.request("POST", "metadata/deployRequest", b"--x--", content_type=content_type)


# the command


@pytest.fixture
def connected(org: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    login = {
        "consumer_key": "sandbox-consumer-key",
        "consumer_secret": "sandbox-consumer-secret",
        "domain": "acme.my",
    }
    extra = {**login, "endpoint_override": org.url}
    connection = json.dumps({"conn_type": "salesforce", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", connection)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("airflow_provider_brightpearl.systems.salesforce.metadata.deploy._LOOKS", (0.0,))


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command.salesforce, ["deploy", *arguments], catch_exceptions=False)
    return done.exit_code, done.output


@pytest.mark.usefixtures("connected")
def test_the_command_applies_once_and_then_finds_nothing_to_do() -> None:
    code, said = run("--check")
    assert (1, True) == (code, "--apply deploys what is missing" in said)
    code, said = run("--apply")
    assert (0, True) == (code, "Order.Brightpearl_Order_Id__c" in said and "created" in said)
    assert "permission set Brightpearl_Sync is assigned to the user of the connection" in said
    assert f"{len(wanted_fields())} fields compared, 0 problems" in said
    assert said.rstrip().endswith("flow files compared, 0 problems")
    assert "state and country picklists: on, flows write codes" in said
    code, said = run("--apply")
    assert (0, True, False) == (code, "nothing to deploy" in said, "Deployment" in said)
    assert 0 == run("--check")[0]


@pytest.mark.usefixtures("connected")
def test_the_command_compares_the_flow_files_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(tmp_path))
    written = {"key": {"Brightpearl_Id__c": "id"}, "fields": {"Nam": "name"}}
    own = {
        "flow": "own",
        "source": "brightpearl.contacts",
        "target": "salesforce",
        "objects": {"Account": written},
    }
    (tmp_path / "own.yaml").write_text(json.dumps(own))
    (tmp_path / "typo.yaml").write_text("flow: typo\nsauce: x\n")
    run("--apply")
    code, said = run("--check")
    assert 1 == code
    assert "own.yaml: objects.Account.fields.Nam: Account has no field Nam in the org" in said
    assert "did you mean Name?" in said
    assert "typo.yaml: sauce: unknown key" in said
    assert said.rstrip().endswith("1 flow file compared, 2 problems")


@pytest.mark.usefixtures("connected")
def test_the_command_says_where_states_are_text(org: Sandbox) -> None:
    switch(org, "salesforce", country_picklists=False)
    said = run("--check")[1]
    switch(org, "salesforce", country_picklists=True)
    assert "state and country picklists: off, flows write text" in said


@pytest.mark.usefixtures("connected")
def test_the_command_wants_to_know_what_to_do() -> None:
    for arguments in ((), ("--check", "--apply")):
        with pytest.raises(Misconfigured, match="pass --check"):
            run(*arguments)
