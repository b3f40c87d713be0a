"""Results: the store (Parquet), scores, statistics, tables. Loads neither torch nor Ray at start-up."""
