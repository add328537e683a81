"""Looks at a report as a reader's program does."""

import base64
import html.parser
import xml.etree.ElementTree as ElementTree

_VOID = {"meta", "img", "br"}
_LOADING = ("src", "href", "xlink:href", "srcset", "data", "action")


class Page(html.parser.HTMLParser):
    """What is in an HTML page.

    Attributes:
      text: all text, style apart.
      images: (source, alt) of each.
      drawings: labels of the SVG elements.
      headings: texts of h1, h2, h3.
      problems: tags that do not match.
      loads: what the page would load from elsewhere.
    """

    def __init__(self, content: str):
        super().__init__()
        self.text, self.images, self.drawings = "", [], []
        self.headings, self.problems, self.loads = [], [], []
        self.metas: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(content)
        self.close()
        self.problems += [f"<{tag}> stays open" for tag in self._open]

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        for name in _LOADING:
            if not (values.get(name) or "data:").startswith("data:"):
                self.loads.append(values[name])
        if tag in ("script", "link", "iframe", "object"):
            self.loads.append(tag)
        if tag == "img":
            self.images.append((values.get("src", ""), values.get("alt", "")))
        if tag == "svg":
            self.drawings.append((values.get("role"), values.get("aria-label", "")))
        if tag == "meta" and "name" in values:
            self.metas[values["name"]] = values["content"]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        """An element of SVG that holds nothing."""

    def handle_endtag(self, tag):
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> ends {self._open[-1:]}")
            return
        self._open.pop()

    def handle_data(self, data):
        if "style" in self._open:
            return
        self.text += data
        if self._open and self._open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


def svg_of(uri: str) -> ElementTree.Element:
    """The picture of a data URI."""
    header, _, content = uri.partition(",")
    assert header == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(content))


def texts_of(svg: ElementTree.Element) -> list[str]:
    return ["".join(node.itertext()) for node in svg.iter("{http://www.w3.org/2000/svg}text")]
