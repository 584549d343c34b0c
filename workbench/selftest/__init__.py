"""The workbench measures itself: false positives, injected slowdowns, overhead, a planted early return.

``pool`` records launches whose true ratios are known, ``analysis`` forms comparisons from them and applies the gate's
rule, ``overhead`` compares the harness with bare loops that ``bare`` derives from the content's own source, ``early``
plants a frontend that answers before its work is done, ``report`` renders the results, ``command`` runs it all. Only
``_boot`` and ``child`` run inside workers. This module imports nothing, because workers import it as well.
"""
