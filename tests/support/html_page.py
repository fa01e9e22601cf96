"""What a browser reads of an HTML page."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Text, tags, addresses and table cells of a page.

    Attributes
    ----------
    words
        All text but the style, with single spaces.
    tags, ids
        Every tag, and every ``id``.
    fetched, links
        Addresses that a browser fetches, and those that it follows (``href``).
    cells
        The texts of the cells of each table row.
    """

    def __init__(self, html):
        super().__init__()
        self.fetched, self.links, self.tags, self.ids, self.cells, self._text = [], [], [], [], [], []
        self.feed(html)
        self.words = " ".join(" ".join(self._text).split()).replace(" ,", ",")

    @property
    def addresses(self):
        """All of `fetched` and `links`."""
        return self.fetched + self.links

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        named = dict(attributes)
        self.fetched += [named[name] for name in ("src", "srcset", "data", "action") if name in named]
        self.links += [named["href"]] if "href" in named else []
        self.ids += [named["id"]] if "id" in named else []
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th") and self.cells:
            self.cells[-1].append("")

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self._text.append(data)
        if self.cells and self.cells[-1]:
            self.cells[-1][-1] += data.strip()
