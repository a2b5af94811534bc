"""All kinds of content, through one gateway."""
