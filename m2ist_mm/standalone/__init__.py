"""Files that run without this package: they are copied into exported folders."""
