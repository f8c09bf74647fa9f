"""From definitions to loop nests."""
