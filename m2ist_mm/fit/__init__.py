"""From your images and sentences to a trained model: the parts of tools/fit.py."""
