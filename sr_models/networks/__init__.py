"""A float network: how it is built, named, loaded, measured and looked at."""
