"""Exponents of targets: what the first orders of a function that do not vanish say of learning it.

`exponent` is the outcome, with its proof; `seen_labels` says of what an exponent is taken, a
function or the labels that a loss sees; `target_exponents` has information and reuse exponent,
`generative` the generative one, from the law of ``Z`` given the label: its atoms (`label_atoms`),
its levels (`label_levels`), its inverse where it is monotone (`monotone_branches`), each through
`conditional_moment`. `staircase` has the order in which several directions are learned.
"""
