"""Every fault of the table against this flow."""

from airflow_provider_brightpearl.testing.suite import test_fault
from tests.flows.site import MAPPINGS

__all__ = ["test_fault"]

FLOW_FILE = MAPPINGS / "payments_to_infor_gl.yaml"
