"""Formats for Nepali, which Django lacks: lakh and crore grouping, ISO 8601 dates.

The digits stay 0 to 9, as on the images and in the identifiers beside them.
"""

DATE_INPUT_FORMATS = ["%Y-%m-%d"]
DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i"
TIME_FORMAT = "H:i"
DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = (3, 2, 0)
