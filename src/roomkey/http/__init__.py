"""The only place on the client's and the API's side that opens connections, and what travels on them."""
