"""Kill fenrun at many points while it imports, settles and closes, and see that nothing is lost, doubled or half there."""
