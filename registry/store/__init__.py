"""What the registry holds: one class, all SQL in one module, numbered migrations."""
