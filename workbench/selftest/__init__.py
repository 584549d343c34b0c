"""The instrument measures itself: false alarms, injected slow-downs, overhead, a planted early return.

``pool`` records launches whose true ratios are known, ``analysis`` forms comparisons from them and judges them,
``overhead`` holds the harness against bare loops that ``bare`` derives from the content's own source, ``early``
plants a frontend that answers before its work is done, ``report`` shows it all, ``command`` runs it. Only
``_boot`` and ``child`` run inside workers. This module imports nothing, because workers import it, too.
"""
