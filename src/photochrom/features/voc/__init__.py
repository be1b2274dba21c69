"""PASCAL VOC by fine-tuning a colourisation network: classification, segmentation, detection (section 3.2)."""
