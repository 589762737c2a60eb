"""How the documentation is built: ``python -m sphinx -W --keep-going docs docs/_build``."""

import os
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ["IPYTHONDIR"] = str(HERE / "_ipython")  # its start-up file makes plots follow the colours of the page
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # or the kernel warns about frozen modules

project = "crmvalue"
author = "The crmvalue developers"
version = release = metadata.version("crmvalue")

templates_path = ["_templates"]
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "field_comments", "mathml", "numpydoc", "myst_nb"]
exclude_patterns = ["_build", "_ipython", "Thumbs.db"]
default_role = "py:obj"  # a name in single backticks links to what it names, if that is documented
nitpicky = False

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # types are in the docstrings, in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # field_comments writes them, with their units

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_excludepatterns = ["cases/*.ipynb"]  # shown as stored: their data may not be passed on
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_output_stderr = "warn"  # a warning in a notebook is a warning of the build

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "crmvalue"
html_static_path = ["_static"]
html_css_files = ["crmvalue.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "reference": [], "changelog": []}
html_theme_options = {
    "logo": {"text": "crmvalue"},
    "navbar_align": "left",
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copyright = author  # no year: the build knows no clock
