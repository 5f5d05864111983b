"""Metadata deployments by REST: upload a zip, poll its status (Metadata API guide, deployRequest)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP

from ...settings import int_setting
from ..call import Answer, Call, Resource, resource
from ..deploy_package import BadPackage, Package
from ..deployment import ComponentResult, Deployment
from ..errors import ApiError, malformed_json, resource_not_found
from ..ids import make_id
from ..json_format import load_json

_OPTIONS: dict[str, object] = {
    "allowMissingFiles": False, "autoUpdatePackage": False, "checkOnly": False, "ignoreWarnings": False,
    "performRetrieve": False, "purgeOnDelete": False, "rollbackOnError": False, "runTests": None,
    "singlePackage": False, "testLevel": None,
}  # fmt: skip


@dataclass(slots=True)
class Deploy:
    """One deployment: its options, zip file and progress."""

    id: str
    options: dict[str, object]
    content: bytes
    user: str
    created: str
    polls: int = 0
    status: str = "Pending"
    error: str = ""
    results: list[ComponentResult] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.status in ("Succeeded", "SucceededPartial", "Failed")


def start(call: Call) -> Answer:
    """POST metadata/deployRequest: a multipart body with options as JSON and the zip file."""
    parts = _parts(call)
    options = parts["application/json"]
    wanted = load_json(options)
    if not isinstance(wanted, dict) or set(wanted) != {"deployOptions"}:
        raise malformed_json("deployOptions is required")
    given = wanted["deployOptions"]
    if not isinstance(given, dict) or (unknown := set(given) - set(_OPTIONS)):
        raise malformed_json(
            f"Unrecognized field in deployOptions: {sorted(unknown)}" if isinstance(given, dict) else ""
        )
    return Answer(_head(call, begin(call, given, parts["application/zip"])), 201)


def begin(call: Call, options: Mapping[str, object], content: bytes) -> Deploy:
    """Queue a deployment."""
    id = make_id("0Af", len(call.jobs.deploys) + 1)
    deploy = Deploy(id, {**_OPTIONS, **options}, content, call.user, call.org.now())
    call.jobs.deploys[deploy.id] = deploy
    return deploy


def _parts(call: Call) -> dict[str, bytes]:
    kind = call.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise ApiError("UNSUPPORTED_MEDIA_TYPE", "Content-Type multipart/form-data is required", status=415)
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + call.body)
    found: dict[str, bytes] = {}
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        found[part.get_content_type()] = content if isinstance(content, bytes) else b""
    if set(found) != {"application/json", "application/zip"}:
        raise ApiError(
            "INVALID_MULTIPART_REQUEST",
            "one part of application/json and one of application/zip are required",
        )
    return found


def show(call: Call, deploy_id: str) -> Answer:
    """GET metadata/deployRequest/{id}: polling advances the deployment."""
    detailed = call.query.get("includeDetails", "").lower() == "true"
    result = status_of(call, deploy_id, detailed)
    return Answer({**_head(call, call.jobs.deploys[deploy_id]), "deployResult": result})


def status_of(call: Call, deploy_id: str, detailed: bool) -> dict[str, object]:
    """The state of a deployment, which advances with every look at it. Raises: ApiError 404."""
    deploy = call.jobs.deploys.get(deploy_id)
    if deploy is None:
        raise resource_not_found()
    deploy.polls += 1
    if not deploy.done and deploy.polls > int_setting(call.org.settings, "deploy_polls"):
        _run_deployment(call, deploy)
    elif not deploy.done:
        deploy.status = "InProgress"
    return _result(call, deploy, detailed)


def _run_deployment(call: Call, deploy: Deploy) -> None:
    try:
        deployment = Deployment(call.org, Package.read(deploy.content))
    except BadPackage as problem:
        deploy.status, deploy.error = "Failed", str(problem)
        return
    rollback = deploy.options["rollbackOnError"] is True
    good = deployment.run(keep=deploy.options["checkOnly"] is not True, rollback=rollback)
    deploy.results = deployment.results
    deploy.status = "Succeeded" if good else "Failed" if rollback else "SucceededPartial"


def _head(call: Call, deploy: Deploy) -> dict[str, object]:
    url = f"{call.origin}{call.base}/metadata/deployRequest/{deploy.id}"
    return {"id": deploy.id, "url": url, "validatedDeployRequestId": None, "deployOptions": deploy.options}


def _result(call: Call, deploy: Deploy, detailed: bool) -> dict[str, object]:
    failed = [result for result in deploy.results if not result.success]
    good = [result for result in deploy.results if result.success]
    person = call.org.store.row("User", deploy.user) or {}
    details = {
        "componentFailures": [_message(call, each) for each in failed],
        "componentSuccesses": [_message(call, each) for each in good],
        "retrieveResult": None,
        "runTestResult": {"numFailures": 0, "numTestsRun": 0, "successes": [], "failures": []},
    }
    return {
        "id": deploy.id,
        "checkOnly": deploy.options["checkOnly"],
        "ignoreWarnings": deploy.options["ignoreWarnings"],
        "rollbackOnError": deploy.options["rollbackOnError"],
        "done": deploy.done,
        "success": deploy.status == "Succeeded",
        "status": deploy.status,
        "numberComponentsDeployed": len(good),
        "numberComponentsTotal": len(deploy.results),
        "numberComponentErrors": len(failed),
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "numberTestErrors": 0,
        "details": details if detailed else None,
        "createdDate": deploy.created,
        "completedDate": call.org.now() if deploy.done else None,
        "errorStatusCode": "UNKNOWN_EXCEPTION" if deploy.error else None,
        "errorMessage": deploy.error or None,
        "stateDetail": None,
        "createdBy": deploy.user,
        "createdByName": person.get("Name"),
    }


def _message(call: Call, result: ComponentResult) -> dict[str, object]:
    component = result.component
    return {
        "changed": result.changed,
        "columnNumber": None,
        "componentType": component.kind,
        "created": result.created,
        "createdDate": call.org.now(),
        "deleted": False,
        "fileName": component.file,
        "fullName": component.name,
        "id": None,
        "lineNumber": None,
        "problem": result.problem or None,
        "problemType": "Error" if result.problem else None,
        "success": result.success,
        "warning": False,
    }


TABLE: list[Resource] = [
    resource("POST", "metadata/deployrequest", start),
    resource("GET", "metadata/deployrequest/{deploy_id}", show, "includedetails"),
]
