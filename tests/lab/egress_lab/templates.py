# SPDX-License-Identifier: MIT
"""Configuration files made from tests/lab/conf."""

import string
from pathlib import Path

from .errors import LabError

CONF = Path(__file__).resolve().parent.parent / "conf"


def fill(template_name, /, **values):
    """The text of a template with every ${name} replaced; an unknown name is an error."""
    template = string.Template((CONF / template_name).read_text(encoding="utf-8"))
    try:
        return template.substitute(values)
    except (KeyError, ValueError) as error:
        raise LabError(f"{CONF / template_name}: {error}") from error
