"""Expressions to numbers: values and derivatives on arrays, and at a point in any precision.

`lowering` turns sympy into a `graph` of operations that neither overflow nor cancel; `derivative`
adds the nodes of the slope. What an operation is, its slope, its NumPy form, its form in mpmath and
its `bounds`, is one record in `operations`, in formulas that graphs take as `terms`. `program` runs
a graph on arrays: rewritten by `numeric_form`, ordered by `schedule`, on other libraries by
`array_program`; points that overflow are settled by bounds (`overflow`) or by many digits
(`precise`). `guarded` is a function of one variable in any precision whose exponentials cannot run
away.
"""
