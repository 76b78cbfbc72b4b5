"""The networks as tables of rows, the catalogue of their names, and what each needs."""
