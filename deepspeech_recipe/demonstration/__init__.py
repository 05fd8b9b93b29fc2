"""The bundled model, from a frozen graph to text."""
