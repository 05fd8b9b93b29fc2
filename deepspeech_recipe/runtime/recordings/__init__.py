"""Audio as users have it: files, folders, a microphone."""
