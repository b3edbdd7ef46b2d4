"""What several folders of definitions share: partitions, sources, figures, the life of a run."""
