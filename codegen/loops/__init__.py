"""The language of loop nests, and what is proved, counted and placed in memory of it."""
