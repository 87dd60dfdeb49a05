"""A page with sliders: predictions on a grid, looked at frame by frame in a browser.

`axes` says which values the sliders have, `explorer` predicts on their grid, `data` turns the grid
into plain numbers, and `page` puts these and what draws them (``page.css``, ``page.js``) into one
file, which asks for nothing else.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
