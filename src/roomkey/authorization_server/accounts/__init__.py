"""APIs, service accounts with their secrets, app tokens, requests for them, tenants: every act is a function here."""
