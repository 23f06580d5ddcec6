"""Sphinx's settings: Markdown pages, the reference from docstrings, one plain theme."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# Docstrings are read from the modules, and nothing may be fetched for that.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

project = "egm_ros"
author = "The egm_ros developers"
copyright = "The egm_ros developers, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# In docstrings a single pair of backticks is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "undoc-members": False}
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "egm_ros"
html_static_path = ["static"]
html_css_files = ["page.css"]
html_show_sourcelink = False
