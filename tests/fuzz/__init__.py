"""A differential fuzzer: random programs, run by ``symgraph`` and ``codegen``, against an evaluator of its own.

    programs  a program as data, and the shapes of its values        execute   one program, both ways: findings
    generate  a random program from a seed                           pool      child processes with time limits
    render    a program as Python source                             minimise  the smallest program of the same finding
    tape      numbers with an exact value and an error bound         script    a reproduction that runs alone
    oracle    a program's values and derivatives on the tape         planted   faults that the fuzzer has to find

``python -m tests.fuzz --minutes 30 --seed 1``. Only ``execute`` and ``planted`` import what is tested; the oracle
(``tape``, ``oracle``) shares no code with it.
"""
