"""The fill model: what an order decided on a closed bar becomes; the paper broker fills alike."""
