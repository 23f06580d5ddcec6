"""Pictures: read from files, sized for a model, drawn into."""
