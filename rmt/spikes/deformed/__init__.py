"""The level `deformed`: outliers on the bulk that the steps deform at finite width.

`fluctuations` is what the steps add to a row besides its mean, `rare` cuts the rarest rows, `bulk`
makes a pencil of it. `simple_forms` and `exact_forms` couple the spikes to that pencil, `outliers`
finds what leaves it.
"""
