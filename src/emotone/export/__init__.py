"""Write bundles and ONNX nodes."""
