"""A machine whose clock differs from the source's loses nothing that is changed while it reads."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.flows.site import Site

FLOW = "customers_to_salesforce"


@pytest.mark.parametrize("minutes", [-60, -10, 10, 60])
def test_what_changes_after_a_run_is_in_a_later_one(
    bare_site: Site, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    def skewed(site: Site) -> datetime:
        return site.sandbox.now() + timedelta(minutes=minutes)

    monkeypatch.setattr(Site, "now", skewed)
    bare_site.run(FLOW)
    read_up_to = bare_site.watermark(FLOW)
    assert read_up_to
    assert read_up_to <= bare_site.sandbox.now() - timedelta(minutes=2)
    touched = bare_site.act(customers_changed=2)["customers_changed"]
    if minutes < 0:
        # it is late by as much as the clock is
        bare_site.pass_time(-minutes)
    assert len(touched) == bare_site.run(FLOW).counts.updated > 0
    again = bare_site.watermark(FLOW)
    assert again
    assert read_up_to < again <= bare_site.sandbox.now() - timedelta(minutes=2)
