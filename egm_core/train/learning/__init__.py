"""What pretraining and fine-tuning share: optimizers, losses, attention."""
