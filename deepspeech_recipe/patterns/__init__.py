"""What a graph is: patterns and checks that end in an immutable description, or in a refusal with a reason."""
