"""What can be asked from a shell about machines; :mod:`symgraph.commands` has the table of all commands."""
