"""What a source is worth to a target: scores before anything is fine-tuned, and the comparison with controls after."""
