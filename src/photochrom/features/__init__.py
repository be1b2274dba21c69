"""Representations learnt by colourisation: linear probes, PASCAL VOC, and preparing weights for them."""
