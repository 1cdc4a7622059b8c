"""Real orders, sent again: read a shop's invoices, plan what to do with them, do it, and prove the outcome."""
