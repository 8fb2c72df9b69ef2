"""The loops of convolution layers: band functions, and what they share."""
