"""Names of the generated source: the user's own where Python allows it, each once.

W_{1} → W_1      0.weight → p_0_weight      lambda → lambda_      λ → λ
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

from codegen.vocabulary import WORDS

RESERVED = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins)) | WORDS


def identifier(text: str) -> str:
    """A Python identifier close to ``text``."""
    cleaned = unicodedata.normalize("NFKC", text)
    cleaned = re.sub(r"\W+", "_", cleaned).strip("_") or "v"
    if not cleaned.isidentifier():
        cleaned = f"p_{cleaned}"
    return f"{cleaned}_" if cleaned in RESERVED else cleaned


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
