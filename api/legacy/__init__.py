"""The paths of older systems, over the same services."""
