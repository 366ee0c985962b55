"""What would be: cases of a plan, plans beside each other, one fact more, the period to date."""
