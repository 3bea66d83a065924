"""Fits a model to data of your own: reads, plans, trains, judges."""
