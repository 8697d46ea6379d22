"""Check the built documentation: no page loads anything from another host, and every local link leads to a page.

python tools/check_site.py docs/_build/html
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class _Links(HTMLParser):
    """Collects the addresses in a page.

    Attributes:
        loaded: addresses that a browser loads with the page.
        linked: addresses of links.
        anchors: ids in the page.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        address = values.get(_LOADS.get(tag, ""))
        if address:
            self.loaded.append(address)
        if tag == "a" and values.get("href"):
            self.linked.append(values["href"])


def find_faults(site: Path) -> Iterator[str]:
    """Yield one line for each request to another host and for each broken local link.

    Args:
        site: folder of the built site.
    """
    pages = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        place = path.relative_to(site.resolve())
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{place} loads {address}"
        for address in page.linked:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{place} links to {address}, which does not exist"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{place} links to {address}, but that page has no such heading"


def _read(path: Path) -> _Links:
    links = _Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


if __name__ == "__main__":
    faults = list(find_faults(Path(sys.argv[1])))
    print(
        "\n".join(faults) or "no request to another host, and no broken link", file=sys.stderr if faults else sys.stdout
    )
    sys.exit(bool(faults))
