"""Text to sympy and back, and nothing else: no value is computed here.

In: `source_text` is a text with its places, which `reader` translates node by node through a
whitelist (`catalogue` has the functions that may be called, `refusals` and `limits` say no, in
words); `parsing` is the call. Out: `printing` writes what `parsing` reads. `canonical` repeats both
until nothing changes, so that a function has one text; `construction` builds the symbols, relations
and branches for which that is true. Reading may ask for the one thing that takes integrals,
`remove_hermite`, and is given it by whoever calls.
"""
