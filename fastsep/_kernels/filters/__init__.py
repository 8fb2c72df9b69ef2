"""The loops of filters: band functions."""
