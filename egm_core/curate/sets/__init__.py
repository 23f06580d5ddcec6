"""The amodal sets: which objects of COCO-Amodal and TAO-Amodal are asked for, and the files that come of them."""
