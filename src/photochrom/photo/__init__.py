"""What a photograph's file is, in and out: formats, reading, writing, metadata."""
