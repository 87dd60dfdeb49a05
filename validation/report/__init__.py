"""What the stored networks of a suite say of the theory: numbers, and the page that shows them."""

from validation.report.page import Report, make_report

__all__ = ["Report", "make_report"]
