"""What came out: the store (Parquet), scores, statistics, tables. Nothing here loads torch or Ray at start-up."""
