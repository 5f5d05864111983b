"""A pytest plug-in: the sandbox as a fixture, and flows under every fault of the table, with proof of what held.

The plug-in loads with pytest; everything else of this package only where a test asks for it, with the ``[sandbox]``
extra installed.
"""
