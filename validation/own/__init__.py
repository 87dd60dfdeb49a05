"""Networks of your own: conventions that are not those of `rmt.Problem`, and models of PyTorch.

`convention` has the formulas of others, and PyTorch's defaults, as functions to and fro;
`from_torch` finds the layers of a model and brings them to one convention, for `validation.check`;
`train_in_torch` takes a problem's steps by automatic differentiation, for which it needs the extra
``gpu``. The rest imports no PyTorch.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
