"""Files both ways, through one gateway."""
