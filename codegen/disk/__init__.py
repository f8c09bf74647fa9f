"""Models on disk: arrays by name in one file, which is written whole or not at all, and checked when it is read."""
