"""What several readers need: fields, COCO's layout, masks, and pickles."""
