"""Everything people see: tables, charts, pages, code side by side, exports."""
