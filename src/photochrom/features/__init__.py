"""What a network has learnt by colouring: linear probes, PASCAL VOC, and getting its weights ready for them."""
