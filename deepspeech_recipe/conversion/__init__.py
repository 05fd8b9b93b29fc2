"""From a file to an IR: options, the pipeline, and what would come out."""
