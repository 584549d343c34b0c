"""What is drawn, prepared once as values: numbers, words, order and looks. Matplotlib and Plotly only draw them.

``curves``, ``rows`` and ``lines`` prepare the charts of a run (``ofrun`` says from what of it), ``kinds`` has the types.
Pure: no drawing, no I/O.
"""
