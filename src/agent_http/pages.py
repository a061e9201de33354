"""Pages of a list: the header Link, by which one comes from each to the others (RFC 8288)."""

from typing import Protocol

from yarl import URL


class Page(Protocol):
    """Which part of a list an answer has."""

    @property
    def limit(self) -> int:
        """How many may be on a page; at least 1."""

    @property
    def offset(self) -> int:
        """How many are before it."""

    @property
    def total(self) -> int:
        """How many there are in all."""


def links(url: URL, page: Page) -> str:
    """Name the first, previous, next and last page, those that there are, by references relative to the request's URL.

    All other parameters of its query stay. Empty when the list is.
    """
    if page.total <= 0:
        return ""
    last = (page.total - 1) // page.limit * page.limit
    offsets = {"first": 0, "last": last}
    if page.offset > 0:
        offsets["prev"] = max(0, min(page.offset - page.limit, last))
    if page.offset + page.limit < page.total:
        offsets["next"] = page.offset + page.limit
    others = [(name, value) for name, value in url.query.items() if name not in ("limit", "offset")]
    query = f"{url.with_query(others).raw_query_string}&" if others else ""
    return ", ".join(f'<?{query}limit={page.limit}&offset={offset}>; rel="{rel}"' for rel, offset in offsets.items())
