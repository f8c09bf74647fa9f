"""Names in LaTeX: ``W1`` is W_{1}, ``lambda`` is \\lambda, ``hidden`` is upright, and what is LaTeX already stays."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import sympy as sp

_SMALL = """alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon
varphi chi psi omega"""
_CAPITAL = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_GREEK = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", f"{_SMALL} {_CAPITAL}".split(), strict=True))
_SPOKEN = {name: name for name in _GREEK.values()} | {"epsilon": "epsilon", "phi": "phi", "eps": "varepsilon"}
_ACCENTS = {"hat", "bar", "tilde", "dot", "vec"}
_ESCAPED = {"_": r"\_", "^": r"\hat{}", "{": r"\{", "}": r"\}", "\\": r"\backslash "}


@lru_cache(maxsize=4096)
def latex_name(name: str) -> str:
    """LaTeX of a name as users type it.

    >>> latex_name("W1"), latex_name("theta_hat"), latex_name("λ"), latex_name("hidden")
    ('W_{1}', '\\\\hat{\\\\theta}', '\\\\lambda', '\\\\mathrm{hidden}')
    """
    if any(c in name for c in "\\^{}"):
        return name if _is_balanced(name) else "".join(_ESCAPED.get(c, c) for c in name)
    *path, name = name.split(".") if not name.startswith(".") and not name.endswith(".") else [name]
    if path:
        below = ",".join(part if part.isdigit() else latex_name(part) for part in path if part)
        return f"{_braced(latex_name(name))}_{{{below}}}"
    primes = len(name) - len(name.rstrip("'"))
    stem, *rest = name.rstrip("'").strip("_").split("_") if name.strip("_'") else [name]
    letters = stem.rstrip("0123456789")
    subscripts = [part for part in rest if part and part not in _ACCENTS]
    if letters and letters != stem:
        subscripts.insert(0, stem[len(letters) :])
        stem = letters
    text = _word(stem)
    for accent in rest:
        if accent in _ACCENTS:
            text = rf"\{accent}{{{text}}}"
    if subscripts:
        text += f"_{{{','.join(part if part.isdigit() else _word(part) for part in subscripts)}}}"
    return text + "'" * primes


def latex_names(names: Iterable[str]) -> dict[str, str]:
    """LaTeX of several names, each another: of those that look alike, as x, x_ and _x do, one, and others as typed."""
    found: dict[str, str] = {}
    for name in sorted(set(names), key=lambda name: (len(name), name)):
        latex = latex_name(name)
        found[name] = latex if latex not in found.values() else _upright(name)
    return found


def _braced(latex: str) -> str:
    return f"{{{latex}}}" if "_" in latex else latex


def _word(word: str) -> str:
    """One letter in italics, a Greek letter by its command, a word upright."""
    if word in _GREEK:
        return "\\" + _GREEK[word]
    if word in _SPOKEN:
        return "\\" + _SPOKEN[word]
    if len(word) == 1 and word.isascii():
        return word if word != "_" else r"\_"
    if word[0] in _GREEK and word[1:].isalpha() and len(word) == 2:
        return rf"\{_GREEK[word[0]]} {_word(word[1])}"
    return _upright(word)


def _upright(word: str) -> str:
    """A word as it is typed; letters that mathematics has no font for are text."""
    escaped = word.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}" if word.isascii() else rf"\text{{{escaped}}}"


def _is_balanced(text: str) -> bool:
    depth = 0
    for c in text:
        depth += (c == "{") - (c == "}")
        if depth < 0:
            return False
    return depth == 0 and not text.endswith(("^", "_", "\\"))


def latex_function(function: type[sp.Basic]) -> str:
    """LaTeX of a SymPy function's name: \\tanh, \\operatorname{erf}."""
    argument = sp.Symbol("x", real=True)
    try:
        shown = sp.latex(function(argument, evaluate=False))
    except TypeError:
        return rf"\operatorname{{{function.__name__}}}"
    head, found, _ = shown.partition(r"\left(")
    head = head.strip().removesuffix("{")
    return head if found and head else rf"\operatorname{{{function.__name__}}}"
