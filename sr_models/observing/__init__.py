"""Tensors of float networks on pictures, computed by LiteRT."""
