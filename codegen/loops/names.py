"""Names of the generated source: the user's own where Python allows it, each once.

W_{1} → W_1      0.weight → p_0_weight      lambda → lambda_      λ → λ
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

from codegen.loops.vocabulary import WORDS

RESERVED = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins)) | WORDS


OWN_FORMS = re.compile("(tile|rows|columns|panel|nest)_.*|.*_(begin|end)")
"""Forms of names that emitted source makes of other names."""

LONGEST = 60
"""Characters of a name in the source."""


def identifier(text: str) -> str:
    """A Python identifier close to ``text``."""
    known = "".join(c if f"v{c}".isidentifier() else "_" for c in unicodedata.normalize("NFKC", text[:LONGEST]))
    cleaned = unicodedata.normalize("NFKC", re.sub("__+", "_", known).strip("_")) or "v"
    if not cleaned.isidentifier():
        cleaned = f"p_{cleaned}"
    if not cleaned.isidentifier() or unicodedata.normalize("NFKC", cleaned) != cleaned:
        cleaned = "v"
    return f"{cleaned}_" if cleaned in RESERVED or OWN_FORMS.fullmatch(cleaned) else cleaned


def comment(text: str) -> str:
    """Text that stays within its line, and within the file, whatever names are in it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Names:
    """Hands out identifiers, each at most once."""

    def __init__(self, taken: frozenset[str] = frozenset()) -> None:
        self.taken = set(taken)

    def unique(self, text: str) -> str:
        """``text`` as an identifier; with a number where it is taken."""
        name = base = identifier(text)
        number = 2
        while name in self.taken:
            name = f"{base}_{number}"
            number += 1
        self.taken.add(name)
        return name

    def first_free(self, *candidates: str) -> str:
        """The first of several names that is free, else a numbered one."""
        for text in candidates:
            if identifier(text) not in self.taken:
                return self.unique(text)
        return self.unique(candidates[-1])
