"""SavedModels: their graph with its variables, which becomes a frozen graph or is rebuilt like a checkpoint's."""
