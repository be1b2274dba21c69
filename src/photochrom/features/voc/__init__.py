"""PASCAL VOC by fine-tuning a network that learnt to colour: classification, segmentation, detection (section 3.2)."""
