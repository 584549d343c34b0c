"""What is drawn, prepared once as values: numbers, words, order and looks. Matplotlib and Plotly only draw them.

``curves``, ``rows`` and ``lines`` prepare charts from rows and losses; ``kinds`` has their types. Pure: no I/O.
"""
