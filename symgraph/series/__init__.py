"""Series of scalar formulas at a point: of values, of what rounding does to them, and of derivatives where they end."""
