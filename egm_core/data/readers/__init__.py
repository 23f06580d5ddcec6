"""Readers of the field's data sets, a file each; `kind` says what a reader is, `egm_core.data.kinds` lists them."""
