"""The grounder: one picture and one instruction in, a visible and an amodal box out."""
