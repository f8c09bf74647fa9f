"""Drawing: a program as pictures and pages that anyone can open. Imported when somebody looks, and by nothing else."""
