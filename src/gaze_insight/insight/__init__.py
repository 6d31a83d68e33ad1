"""The self-contained HTML pages and their figures."""
