"""Check somebody else's backward: what is claimed of a derivative against the derivative that is derived."""

from symgraph.auditing.audit import Audit, Verdict, audit, equal
from symgraph.auditing.gradcheck import Gradcheck, gradcheck

__all__ = ["Audit", "Gradcheck", "Verdict", "audit", "equal", "gradcheck"]
