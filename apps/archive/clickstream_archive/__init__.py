"""The batch side of the archive: raw records become typed tables, reports, SQL, and a proof that nothing is missing."""
