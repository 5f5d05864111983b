"""Faults of Salesforce's bulk jobs, by which every row is written while such a fault lasts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partialmethod
from typing import TYPE_CHECKING
from unittest.mock import patch

from airflow_provider_brightpearl.systems.salesforce.sink import SalesforceSink
from airflow_provider_brightpearl.testing.fault import Injection

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial

_ALWAYS = partialmethod(SalesforceSink.__init__, bulk_from=1, whole_below=0)


@dataclass
class ByBulk(Injection):
    """Another fault while rows are written by bulk jobs, however few they are."""

    inner: Injection

    def applies(self, source: str, target: str, stream: str) -> bool:
        return target == "salesforce" and self.inner.applies(source, target, stream)

    def begin(self, trial: Trial) -> None:
        self.inner.begin(trial)

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        with patch.object(SalesforceSink, "__init__", _ALWAYS):
            return self.inner.attempt(trial, run)

    def end(self, trial: Trial) -> None:
        self.inner.end(trial)
