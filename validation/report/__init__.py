"""What the stored networks of a suite say of the theory: numbers, and the page that shows them."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from validation.report.page import Report, make_report

__all__ = ["Report", "make_report"]

load_on_demand(
    __name__,
    {
        "validation.report.page": "Report make_report",
    },
)
