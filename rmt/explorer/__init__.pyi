from rmt.explorer.explorer import (
    Explorer as Explorer,
    explore as explore,
)
