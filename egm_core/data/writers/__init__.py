"""Writers of the field's files, a file each; `writer` says what a writer is, `egm_core.data.writing` lists them."""
