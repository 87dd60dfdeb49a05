"""Evaluates laws of scikit-rmt on request, in an environment of its own.

Run by `benchmarks.peers` with another Python; a request is a line of JSON on standard input, the
answer one on standard output. Each reading is taken in here, so that no transfer is timed.
"""

import json
import sys
import time

import numpy as np


def main():
    """Answer until the input ends."""
    import scipy
    from skrmt.ensemble import spectral_law

    laws, inputs = {}, {}
    answer({"numpy": np.__version__, "scipy": scipy.__version__})
    for line in sys.stdin:
        request = json.loads(line)
        name, options = request["law"], request["options"]
        key = json.dumps([name, options])
        if key not in laws:
            laws[key] = getattr(spectral_law, name)(**options)
        if "input" in request:
            value = request["input"]
            inputs[request["key"]] = np.array(value) if isinstance(value, list) else value
        argument = inputs[request["key"]]
        method = getattr(laws[key], request["method"])
        keyword = {"size": argument} if request["method"] == "rvs" else {"x": argument}
        start = time.perf_counter()
        for _ in range(request["count"]):
            values = method(**keyword)
        seconds = (time.perf_counter() - start) / request["count"]
        reply = {"seconds": seconds}
        if request["values"]:
            reply["values"] = np.asarray(values).tolist()
        answer(reply)


def answer(found):
    """One line."""
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
