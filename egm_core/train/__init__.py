"""Training: pretraining of the embedded model and supervised fine-tuning of any supported model."""
