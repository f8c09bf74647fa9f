"""A figure as text for other programs: DOT (Graphviz) and Mermaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgraph.drawing.figure import Edge, Figure, Node
from symgraph.drawing.heat import Shown

Labels = Mapping[int, tuple[Shown, Shown]]
_DOT_SHAPES = {"operation": "circle", "leaf": "plaintext", "end": "plaintext", "value": "box", "fold": "box3d"}
_SIGNS = frozenset("&<>\"'`#%;\\|")
"""What Mermaid reads as HTML, Markdown, entities, comments or the ends of labels."""
_BRACKETS = {"operation": ("((", "))"), "value": ("[", "]"), "fold": ("[[", "]]"), "parameter": ("[/", "/]")}


def dot(figure: Figure, labels: Labels, right: bool = True) -> str:
    """The figure in the language of Graphviz."""
    lines = ["digraph {", f"  rankdir={'LR' if right else 'TB'};"]
    for n, node in enumerate(figure.nodes):
        label, shape = _quoted("\n".join(node.lines)), _DOT_SHAPES.get(node.kind, "ellipse")
        lines.append(f"  n{n} [label={label}, shape={shape}];")
    for n, edge in enumerate(figure.edges):
        told = [f"label={_quoted(found)}"] if (found := _told(edge, labels.get(n, ()), "\n")) else []
        told += ["style=dashed", "constraint=false"] if edge.step else []
        options = f" [{', '.join(told)}]" if told else ""
        lines.append(f"  n{edge.tail} -> n{edge.head}{options};")
    return "\n".join([*lines, "}"])


def mermaid(figure: Figure, labels: Labels, right: bool = True) -> str:
    """The figure as a Mermaid flowchart."""
    lines = [f"flowchart {'LR' if right else 'TB'}"]
    for n, node in enumerate(figure.nodes):
        left, close = _BRACKETS.get(node.kind, ("([", "])"))
        lines.append(f'  n{n}{left}"{_entities(node)}"{close}')
    for n, edge in enumerate(figure.edges):
        told = _told(edge, labels.get(n, ()), " ; ")
        label = f'|"{_harmless(told)}"|' if told else ""
        lines.append(f"  n{edge.tail} {'-.->' if edge.step else '-->'}{label} n{edge.head}")
    return "\n".join(lines)


def _told(edge: Edge, labels: Sequence[Shown], between: str) -> str:
    return between.join(text for text in (edge.step, *(shown.text for shown in labels)) if text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _entities(node: Node) -> str:
    return "<br/>".join(map(_harmless, node.lines))


def _harmless(text: str) -> str:
    """Text that Mermaid takes for neither markup nor its own signs: numbers of characters stand for them."""
    return "".join(f"#{ord(c)};" if c in _SIGNS else " " if c.isspace() else c for c in text) or " "
