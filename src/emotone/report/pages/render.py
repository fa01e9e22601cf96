"""Fill in HTML templates."""

import base64
from typing import Any

from emotone.errors import MissingExtraError
from emotone.formatting import percent

#: Type of a picture as SVG.
SVG = "image/svg+xml"


def render(template: str, **values: Any) -> str:
    """Fill in a template of this package; text is escaped, and a missing value is an error.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("an HTML page", extra="train") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("emotone.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["percent"] = percent
    return environment.get_template(template).render(**values)


def embedded(content: bytes, kind: str = "image/png") -> str:
    """Return a file as a data URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
