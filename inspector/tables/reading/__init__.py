"""The readers: one small file for each way in which tables are printed."""
