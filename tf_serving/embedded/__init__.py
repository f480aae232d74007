"""A small model server that speaks TensorFlow Serving's protocol where its image cannot run. See docs/serving.md."""
