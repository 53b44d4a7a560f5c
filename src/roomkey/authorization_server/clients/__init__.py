"""Who asks: service accounts as requests are judged by them, and how they prove themselves."""
