"""One HTML page that needs nothing else: style, sections, figures, tables."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["cards", "figure", "figures", "legend", "note", "page", "section", "settings", "table"]

_STYLE = """
:root { color-scheme: light; --ink: #1f2328; --soft: #59636e; --line: #d6dae0; --back: #f6f8fa; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 72rem; color: var(--ink);
  background: #fff; font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; overflow-wrap: anywhere; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.note { border-left: 4px solid #d9a40d; background: #fff8e5; padding: .6rem .9rem; }
.cards { display: grid; gap: .7rem; margin: 1.1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem;
  background: var(--back); }
.card b { display: block; font-size: 1.25rem; line-height: 1.3; overflow-wrap: anywhere; }
.card span { color: var(--soft); font-size: .85rem; }
.figures { display: grid; gap: 1.6rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figure > h3 { margin-top: 0; }
figure > img, figure > svg { display: block; width: 100%; max-width: 40rem; height: auto; }
figure.wide > img { max-width: 100%; }
figcaption { margin-top: .3rem; max-width: 40rem; }
.scroll { overflow-x: auto; margin: .8rem 0 1.4rem; }
table { border-collapse: collapse; width: 100%; max-width: 46rem; font-size: .92rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { font-weight: 600; }
.settings { columns: 22rem; column-gap: 2rem; margin: 0; font-size: .9rem; }
.settings div { display: flex; gap: 1rem; justify-content: space-between; break-inside: avoid;
  border-bottom: 1px solid var(--line); padding: .2rem 0; }
.settings dt { color: var(--soft); overflow-wrap: anywhere; }
.settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .88rem; padding: 0;
  margin: .3rem 0 1rem; list-style: none; }
.legend i { display: inline-block; width: .9em; height: .9em; border-radius: 2px;
  margin-right: .4em; vertical-align: -.08em; }
code { font-size: .88em; overflow-wrap: anywhere; }
@media (max-width: 32rem) {
  table { font-size: .78rem; }
  th, td { padding-right: .5rem; }
}
@media print {
  @page { margin: 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { margin-top: 1.4rem; break-after: avoid; }
  h3 { break-after: avoid; }
  .figures { grid-template-columns: 1fr 1fr; gap: 1rem; }
  figure > img, .card, tr { break-inside: avoid; }
  .card, .legend i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def _text(value: Any) -> str:
    return html.escape(str(value))


def page(title: str, subtitle: str, content: Iterable[str]) -> str:
    """The whole document; `content` is HTML, the rest text."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Whatever should get in: a page that only shows must not load anything.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header>\n"
        f'<h1>{_text(title)}</h1>\n<p class="soft">{_text(subtitle)}</p>\n</header>\n<main>\n'
        + "\n".join(content)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, *content: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n" + "\n".join(content) + "\n</section>"


def note(text: str, important: bool = False) -> str:
    """A paragraph; an important one stands out."""
    unbroken = text.replace(" %", "\u00a0%")
    return f'<p class="{"note" if important else "soft"}">{_text(unbroken)}</p>'


def cards(values: Mapping[str, str]) -> str:
    """Key figures: what each is, and its value."""
    items = (
        f'<div class="card"><span>{_text(name)}</span><b>{_text(value)}</b></div>'
        for name, value in values.items()
    )
    return f'<div class="cards">{"".join(items)}</div>'


def figure(title: str, picture: str, alt: str, caption: str = "", wide: bool = False) -> str:
    """A picture with heading and caption; `picture` is a data URI, or an SVG element.

    Args:
      title: heading.
      picture: to show. An SVG element says itself what it shows.
      alt: what it shows, for those who cannot see it.
      caption: below the picture.
      wide: whether it may take the width of the page.
    """
    if not picture.startswith("<svg"):
        picture = f'<img src="{picture}" alt="{html.escape(alt, quote=True)}">'
    below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
    name = ' class="wide"' if wide else ""
    return f"<figure{name}><h3>{_text(title)}</h3>{picture}{below}</figure>"


def figures(*items: str) -> str:
    """Pictures beside each other, as far as there is room."""
    return f'<div class="figures">{"".join(items)}</div>'


def legend(colors: Mapping[str, str]) -> str:
    items = (
        f'<li><i style="background:{color}"></i>{_text(name)}</li>'
        for name, color in colors.items()
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """A table whose columns after the first hold numbers."""

    def cells(row, tag) -> str:
        return "".join(
            f"<{tag}{' class=number' if number else ''}>{_text(value)}</{tag}>"
            for number, value in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    above = f"<caption>{_text(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{above}<thead><tr>{cells(header, "th")}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def settings(values: Mapping[str, Any]) -> str:
    """Names with their values, in as many columns as there is room for."""
    items = (
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>"
        for name, value in values.items()
    )
    return f'<dl class="settings">{"".join(items)}</dl>'
