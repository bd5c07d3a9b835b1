"""What `attention.py` is made of: shapes, rivals, timing, checks, tuning and the report."""
