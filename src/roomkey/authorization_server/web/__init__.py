"""HTTP as the OAuth endpoints see it: strict forms in, small answers out."""
