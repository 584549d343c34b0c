"""What people see: tables, plots, pages, code side by side, exports."""
