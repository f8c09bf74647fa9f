"""Check somebody else's backward: what is claimed of a derivative against the derivative that is derived."""

from symgraph.auditing.audit import Audit, Verdict, audit, equal

__all__ = ["Audit", "Verdict", "audit", "equal"]
