"""The worked answer to a table: size formula, numbers put in, parameter formula, worked line; for each row and summed.

Every line comes from the formulas of ``inspector.layers``, bound to the numbers that solving found.
"""

from inspector.tables.derivation.document import SCHEMA_VERSION, document, spreadsheet, to_json
from inspector.tables.derivation.lines import Line, lines, params_formula
from inspector.tables.derivation.markup import html, latex, markdown
from inspector.tables.derivation.words import hyperparameters_text, open_text, remarks, row_text, sum_text, text

__all__ = [
    "SCHEMA_VERSION",
    "Line",
    "document",
    "html",
    "hyperparameters_text",
    "latex",
    "lines",
    "markdown",
    "open_text",
    "params_formula",
    "remarks",
    "row_text",
    "spreadsheet",
    "sum_text",
    "text",
    "to_json",
]
