"""The pytest plug-in: fixtures, ``--sync-faults``, and the table of what held. Costs nothing where it is not used."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_brightpearl.sandbox.server import Sandbox
    from airflow_provider_brightpearl.testing.fault import Fault
    from airflow_provider_brightpearl.testing.place import Place
    from airflow_provider_brightpearl.testing.world import World

PROFILES = ("short", "long")
MARKER = "brightpearl_faults"
# of a test's report
OUTCOME = "airflow_provider_brightpearl.fault"
_SUITE = Path(__file__).with_name("suite.py")
# what the [sandbox] extra installs
_EXTRA = ("lark", "orjson", "starlette", "uvicorn")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("sync", "flows between Brightpearl, Salesforce and Infor M3")
    group.addoption(
        "--sync-faults", action="append", default=[], metavar="FLOW.yaml",
        help="Run this flow file under every fault of the table, against the sandbox, and prove what held. Repeatable.",
    )  # fmt: skip
    group.addoption(
        "--sync-profile", choices=PROFILES, default="long",
        help="short: each fault with one or a few flows; long: with all that it can happen to (default).",
    )  # fmt: skip
    group.addoption(
        "--sync-report", metavar="FILE.md", help="Write the table of faults and properties to this file."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Adds the tests of the flow files of ``--sync-faults``.

    Raises:
        UsageError: the extra is missing, or a file is, or no fault can be tried with it.
    """
    config.addinivalue_line("markers", f"{MARKER}: tries the faults with the flow files of --sync-faults.")
    config.pluginmanager.register(_Outcomes(config), "airflow_provider_brightpearl.outcomes")
    files: list[str] = config.getoption("sync_faults")
    if not files:
        return
    _check_extra()
    if missing := [each for each in files if not Path(each).is_file()]:
        raise pytest.UsageError(f"--sync-faults: no such flow file: {', '.join(missing)}")
    for each in files:
        _cases(config, Path(each))
    if str(_SUITE) not in config.args:
        chosen = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
        config.args[:] = [*chosen, str(_SUITE)]


def _check_extra() -> None:
    if missing := [name for name in _EXTRA if importlib.util.find_spec(name) is None]:
        raise pytest.UsageError(
            f"the sandbox needs {', '.join(missing)}: pip install 'airflow-provider-brightpearl[sandbox]'"
        )


def _cases(config: pytest.Config, file: Path) -> list[Fault]:
    from airflow_provider_brightpearl.testing.suite import cases

    try:
        return cases(file, config.getoption("sync_profile"))
    except ValueError as error:
        raise pytest.UsageError(f"--sync-faults: {error}") from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every fault that can happen to the module's FLOW_FILE, or to the files of ``--sync-faults``."""
    if not metafunc.definition.get_closest_marker(MARKER):
        return
    _check_extra()
    own = getattr(metafunc.module, "FLOW_FILE", None)
    files = (
        [Path(own)] if own else [Path(each).resolve() for each in metafunc.config.getoption("sync_faults")]
    )
    found = [
        pytest.param(file, fault, id=f"{file.stem}-{fault.name}")
        for file in files
        for fault in _cases(metafunc.config, file)
    ]
    names = ("brightpearl_fault_world", "brightpearl_fault")
    metafunc.parametrize(names, found, indirect=names[:1], scope="module")


@pytest.fixture(scope="module")
def brightpearl_fault_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A sandbox in which the flow of a file has something to do."""
    _check_extra()
    from airflow_provider_brightpearl.testing.world import running_world

    with running_world(request.param, tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def _running_sandbox() -> Iterator[Sandbox]:
    _check_extra()
    from airflow_provider_brightpearl.sandbox.server import Sandbox
    from airflow_provider_brightpearl.testing.world import SETTINGS, SIZE

    options: dict[str, Any] = {**SIZE, "settings": SETTINGS}
    with Sandbox(**options) as sandbox:
        yield sandbox


@pytest.fixture
def sync_sandbox(_running_sandbox: Sandbox) -> Sandbox:
    """A small sandbox, as it was seeded: no faults, no records of earlier tests."""
    from airflow_provider_brightpearl.testing.world import SYSTEMS

    _running_sandbox.reset()
    for system in SYSTEMS:
        _running_sandbox.control("DELETE", f"/settings/{system}")
    return _running_sandbox


@pytest.fixture
def sync_place(sync_sandbox: Sandbox, tmp_path: Path) -> Any:
    """Gives, for a folder of flow files, a place where they run against the sandbox: ``.run(flow, run)``."""
    from airflow_provider_brightpearl.testing.place import Place
    from airflow_provider_brightpearl.testing.sandbox_control import SandboxControl

    made: list[Place] = []

    def place(mappings: str | Path) -> Place:
        database = f"sqlite:///{tmp_path / 'state.db'}"
        made.append(Place(SandboxControl(sync_sandbox.url), Path(mappings), tmp_path, database))
        return made[-1]

    yield place
    for each in made:
        each.database.dispose()


class _Outcomes:
    """Collects what the tests of this run have found, and shows it at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.found: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.found += [value for name, value in report.user_properties if name == OUTCOME]  # type: ignore[misc]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.found or hasattr(self.config, "workerinput"):
            return
        from airflow_provider_brightpearl.testing.matrix import Matrix

        matrix = Matrix.of(self.found, self.config.getoption("sync_profile"))
        if self.config.getoption("sync_faults"):
            terminalreporter.section("faults and what held")
            for line in matrix.lines():
                terminalreporter.line(line)
        if path := self.config.getoption("sync_report"):
            matrix.write(Path(path))
            terminalreporter.line(f"the table is in {path}")
