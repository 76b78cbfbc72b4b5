"""The networks as tables of layers, the catalogue of their names, and what each one costs."""
