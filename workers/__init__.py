"""Everything that is not HTTP: deciding, analysing, generating, committing, learning. Sync."""
