"""The chain rule over the graph, what it prints on the way, and derivatives of derivatives."""
