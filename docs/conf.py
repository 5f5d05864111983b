"""How ``make docs`` builds the site: Markdown by MyST, the API reference from the docstrings."""

from __future__ import annotations

import os
import tempfile

# an Airflow is imported for the reference; it shall not touch the home of whoever builds
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="brightpearl-docs-")

import airflow  # noqa: F401 - it starts before autodoc does, as it cannot start twice

from airflow_provider_brightpearl import __version__

project = "airflow-provider-brightpearl"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"Brightpearl provider for Airflow {version}"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False
