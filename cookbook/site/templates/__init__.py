"""The templates of the files that the site writes for other programs and for the readers of its bundles."""

import html

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__, ""),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  # most are not HTML; where one is, it escapes
    keep_trailing_newline=True,
    trim_blocks=True,
)
_ENVIRONMENT.filters["e"] = html.escape


def rendered(name: str, /, **given: object) -> str:
    """The text of the template in the file *name* of this folder."""
    return _ENVIRONMENT.get_template(name).render(given)
