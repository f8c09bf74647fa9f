"""Colours and lines of drawings and pages, in one table: light, dark, and what is drawn with them."""

from __future__ import annotations

COLOURS = {
    "paper": ("#ffffff", "#14171a"),
    "panel": ("#f6f7f9", "#1d2126"),
    "ink": ("#1b1f24", "#e8eaed"),
    "soft": ("#59636e", "#a3adb8"),
    "line": ("#8b949e", "#6e7781"),
    "rule": ("#d8dee4", "#343a42"),
    "input": ("#ddf4ff", "#0f3050"),
    "parameter": ("#fff1c9", "#4a3708"),
    "target": ("#e4f7e6", "#12381c"),
    "value": ("#ffffff", "#22272e"),
    "fold": ("#eeeaf8", "#31294a"),
    "forward": ("#0a3069", "#8cc4ff"),
    "backward": ("#a40e26", "#ff9492"),
    "lit": ("#ffd33d", "#9e6a03"),
    "good": ("#1a7f37", "#57d27a"),
}  # fmt: skip
"""By name, on light and on dark paper. Text on its ground has a contrast of at least 4.5 (WCAG 2.1, AA)."""

MATHEMATICS = "'STIX Two Math','Cambria Math','Latin Modern Math','DejaVu Math TeX Gyre',math"
"""Fonts that have what formulas need: stretched parentheses, large sums."""
_GIVEN = ("input", "state", "constant", "scalar", "random")
_SHAPE = "stroke:{line};stroke-width:1"
RULES = {
    ".sg .paper": "fill:{paper}",
    ".sg text": "font:13px system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:{ink}",
    ".sg .second": "font-size:11px;fill:{soft}",
    ".sg .middle": "text-anchor:middle",
    ".sg .above": "font-size:11px;fill:{forward}",
    ".sg .below": "font-size:11px;fill:{backward}",
    ".sg .edge": "fill:none;stroke:{line};stroke-width:1.2",
    ".sg .arrow": "fill:{line}",
    ".sg .back .edge": "stroke-dasharray:5 3",
    ".sg .box": f"fill:{{value}};{_SHAPE}",
    ",".join(f".sg .{kind} .box" for kind in _GIVEN): f"fill:{{input}};{_SHAPE}",
    ".sg .parameter .box": f"fill:{{parameter}};{_SHAPE}",
    ".sg .labels .box": f"fill:{{target}};{_SHAPE}",
    ".sg .fold .box": f"fill:{{fold}};{_SHAPE};stroke-dasharray:4 3",
    ".sg .leaf .box, .sg .end .box": "fill:none;stroke:none",
    ".sg image": "image-rendering:pixelated",
    ".sg .bar-of": "fill:{forward}",
    ".sg .curve": "fill:none;stroke:{forward};stroke-width:1.5",
    ".sg .grid": "stroke:{rule};stroke-width:1",
    ".sg .frame": f"fill:none;{_SHAPE}",
}
"""Of the parts of a drawing, with the names of colours in braces."""


def drawing_style() -> str:
    """The rules of a drawing that stands alone: light, and dark where the reader's system is."""
    light, dark = (_rules({name: pair[side] for name, pair in COLOURS.items()}) for side in (0, 1))
    return f"{light}@media (prefers-color-scheme:dark){{{dark}}}"


def notebook_style() -> str:
    """The rules of tables and formulas in a notebook, in whose colours they are; they reach nothing else of it."""
    rules = {
        "": "overflow-x:auto;overflow-y:hidden",
        "math": f"font-family:{MATHEMATICS};font-size:1.1em",
        "table": "border-collapse:collapse;border:0;margin:0",
        ":is(th,td)": "text-align:left;padding:2px 18px 2px 0;border:0;vertical-align:middle;"
        "border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)",
        ":is(th,td).n": "text-align:right;white-space:nowrap",
        ".plain td": "border-bottom:0",
        ".group th": "padding-top:12px",
        ".soft": "opacity:.7",
        ".bad": "font-weight:600",
        ".bars": "display:flex;flex-wrap:wrap;gap:18px",
    }
    return "".join(f".sg-shown {inside}{{{rule}}}" for inside, rule in rules.items())


def page_style() -> str:
    """The rules of drawings in a page, and the colours as variables that a page may change."""
    light, dark = (";".join(f"--{name}:{pair[side]}" for name, pair in COLOURS.items()) for side in (0, 1))
    return (
        f":root{{color-scheme:light;{light}}}:root[data-theme=dark]{{color-scheme:dark;{dark}}}"
        + f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        + f"@media print{{:root,:root[data-theme=dark],:root:not([data-theme=light]){{color-scheme:light;{light}}}}}"
        + _rules({name: f"var(--{name})" for name in COLOURS})
        + f"math{{font-family:{MATHEMATICS}}}"
    )


def _rules(colours: dict[str, str]) -> str:
    return "".join(f"{selector}{{{rule.format(**colours)}}}" for selector, rule in RULES.items())
