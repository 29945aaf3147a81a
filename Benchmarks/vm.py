def measure(options):
    raise RuntimeError("not yet")
