"""Tensors in, tensors out: encoders, the text-vision fusion, teacher, student and plain segmenter."""
