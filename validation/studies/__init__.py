"""One call for a figure: predictions on a grid, and networks at its points."""
