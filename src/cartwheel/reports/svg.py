"""matplotlib's SVG files made into SVG that stands inside a page: small, named, coloured by the page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

# The colours to draw with, each of which becomes the page's CSS variable of its name; nothing else in a drawing is so.
COLOURS = {"ink": "#010101", "rule": "#010102", "mean": "#010103", "best": "#010104", "mark": "#010105"}
_FONT = re.compile(r"font-family:[^;]*;?\s*")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")


def inline(text: str, name: str, title: str) -> str:
    """An SVG file's `text` as an element of a page, `title` being what it shows, for those who can't see it.

    Namespaces, metadata, styles, fonts, fixed sizes and unused identifiers go; the identifiers that stay begin with
    `name`, so that two drawings of a page keep apart.
    """
    root = ElementTree.fromstring(text)
    _strip(root)
    used = _references(root)
    for element in root.iter():
        _rename(element, name, used)
    size = root.attrib["viewBox"]
    root.attrib = {"viewBox": size, "role": "img", "aria-labelledby": f"{name}-title"}
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}  # what the style said that went
    heading = ElementTree.Element("title", {"id": f"{name}-title"})
    heading.text = title
    root.insert(0, heading)
    drawing = ElementTree.tostring(root, encoding="unicode")
    for variable, colour in COLOURS.items():
        drawing = drawing.replace(colour, f"var(--{variable})")
    return drawing


def _strip(element: ElementTree.Element) -> None:
    """Take away what a page doesn't need, from here downwards: names lose their namespaces."""
    element.tag = _local(element.tag)
    element.attrib = {_local(key): value for key, value in element.attrib.items()}
    if "style" in element.attrib:
        element.attrib["style"] = _FONT.sub("", element.attrib["style"])
    element.text, element.tail = (text if text and text.strip() else None for text in (element.text, element.tail))
    for child in list(element):
        if _local(child.tag) in ("metadata", "style"):
            element.remove(child)
        else:
            _strip(child)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _references(root: ElementTree.Element) -> set[str]:
    """The identifiers that something in the drawing points to."""
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            if key == "href":
                used.add(value.removeprefix("#"))
    return used


def _rename(element: ElementTree.Element, name: str, used: set[str]) -> None:
    """Identifiers that are used begin with `name`, wherever they stand; the others go."""
    for key, value in list(element.attrib.items()):
        if key == "id":
            if value in used:
                element.attrib[key] = f"{name}-{value}"
            else:
                del element.attrib[key]
        elif key == "href":
            element.attrib[key] = f"#{name}-{value.removeprefix('#')}"
        else:
            element.attrib[key] = _REFERENCE.sub(rf"url(#{name}-\1)", value)
