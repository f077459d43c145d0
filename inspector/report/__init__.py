"""Records in print: terminal, JSON, Markdown, CSV, HTML, SVG. Pure: records in, text out, no torch."""
