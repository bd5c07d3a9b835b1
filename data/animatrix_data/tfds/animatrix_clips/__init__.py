"""The package folder that TensorFlow Datasets wants around a dataset builder."""
