"""What a source is worth: told before training by scores, and proved after it by comparison with controls."""
