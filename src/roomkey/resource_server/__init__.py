"""The API's side: a request's token becomes verified claims, or the right 400, 401, 403 or 503."""
