"""Which values a program computes, and which of them together: no loops yet."""
