"""Floor 4, the composition root: settings, the house that joins the rooms, process roles, supervisor, CLI."""
